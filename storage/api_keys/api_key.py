"""Defines what an API key is: who has it, what it allows, and how long."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias, get_args

import msgspec

Scope: TypeAlias = Literal["transcribe", "history", "admin"]
"""`transcribe`: begin sessions and jobs; `history`: read, change and delete what is kept; `admin`: keys and
workers, and what is kept of others."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
DEFAULT_SCOPES: Final[tuple[Scope, ...]] = ("transcribe", "history")  # Of a key whose maker does not say.
PREFIX: Final = "dk_"  # What every key begins with, so that tools which look for leaked secrets find it.
SECRET_BYTES: Final = 32  # Random bytes of a key: nobody guesses 256 bits.

MAX_LIMIT: Final = 1_000_000_000  # What a limit may be at most: Redis counts milliseconds of audio exactly.
MAX_WINDOW_S: Final = 86_400  # Seconds of a resume window at most.

AtLeastOne: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=MAX_WINDOW_S)]


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one key may use; None leaves it to the server's settings.

    - sessions: live sessions at once.
    - audio_seconds_per_day: seconds of live audio in a day, which begins at midnight UTC.
    - requests_per_minute: requests and connections in a minute.
    - resume_window: seconds for which a client that lost its connection may come back; at most as many as the
      server's.
    """

    sessions: AtLeastOne | None = None
    audio_seconds_per_day: AtLeastOne | None = None
    requests_per_minute: AtLeastOne | None = None
    resume_window: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key, without its secret: `digest` is what is kept of it."""

    id: str
    name: str
    digest: bytes
    scopes: frozenset[Scope]
    limits: KeyLimits
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class KeySnapshot:
    """The keys that are not revoked, at a revision; `any_made` says whether a key was ever made."""

    revision: int
    keys: Sequence[ApiKey]
    any_made: bool


def new_secret() -> str:
    """A key like no other, to be shown once."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept of a key. One SHA-256 is enough: unlike a password, a key can't be guessed."""
    return hashlib.sha256(secret.encode()).digest()
