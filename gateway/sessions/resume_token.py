"""Makes and checks the token with which a client comes back to its session.

It begins with the session's id, by which the session is found; what follows is random, and alone lets a
client in. Only its SHA-256 is kept, and it is added to `session.begin` when that is sent: no log, recording
or checkpoint has it.
"""

import hashlib
import hmac
import re
import secrets
from typing import Final

RANDOM_BYTES: Final = 16  # Nobody guesses 128 bits over a network.
FORM: Final = re.compile(r"([0-9a-f]{32})[0-9a-f]{32}")


def new_resume_token(session_id: str) -> str:
    """A token for this session that is like no other."""
    return session_id + secrets.token_hex(RANDOM_BYTES)


def session_of(token: str) -> str | None:
    """The id of the session, None where this is no token."""
    match = FORM.fullmatch(token)
    return match[1] if match else None


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_token_of(token: str, digest: str) -> bool:
    """Whether this is the token of which `digest` is kept; takes the same time for every wrong one."""
    return hmac.compare_digest(token_digest(token), digest)
