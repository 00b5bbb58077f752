"""Names the files of a session, and checks its id before it becomes a part of a path.

    sessions/ID/audio.wav                          the recording, once it is joined
    sessions/ID/transcript.json                    its events and its text, likewise
    sessions/ID/parts/000000960000.00000-ab12.wav  a segment, by its first sample and its writer
    sessions/ID/parts/00000-ab12.jsonl             the events that a writer saw
    sessions/ID/parts/ended                        the session is over: the parts may be joined

A writer is one gateway that had the session. Its name begins with the number of times that the session was
taken over, so names in order are writers in order.
"""

import re
import secrets
from typing import Final, NamedTuple

from storage.recordings.errors import BadSessionId

SESSIONS: Final = "sessions"
PARTS: Final = "parts"
AUDIO: Final = "audio.wav"
TRANSCRIPT: Final = "transcript.json"
ENDED: Final = "ended"

SESSION_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Neither a dot nor a slash: such a name stays in its folder."""

_SEGMENT: Final = re.compile(r"([0-9]{12,19})\.([0-9]{5}-[0-9a-f]{4})\.wav", re.ASCII)
_LOG: Final = re.compile(r"([0-9]{5}-[0-9a-f]{4})\.jsonl", re.ASCII)


class SegmentName(NamedTuple):
    """The first sample frame of a segment, and who wrote it."""

    first: int
    writer: str

    def __str__(self) -> str:
        return f"{self.first:012d}.{self.writer}.wav"


def check_id(session_id: str) -> str:
    """The id, which may be a part of a path.

    Raises:
        BadSessionId: it may not.
    """
    if not SESSION_ID.fullmatch(session_id):
        raise BadSessionId("the id of a session is of letters, digits, - and _, at most 64")
    return session_id


def session_folder(session_id: str) -> str:
    """Where the files of a session lie.

    Raises:
        BadSessionId: the id can't name a folder.
    """
    return f"{SESSIONS}/{check_id(session_id)}"


def new_writer(takeovers: int) -> str:
    """The name of a writer like no other, of a session that was taken over so many times."""
    return f"{takeovers:05d}-{secrets.token_hex(2)}"


def log_name(writer: str) -> str:
    """The file of a writer's events."""
    return f"{writer}.jsonl"


def read_segment_name(name: str) -> SegmentName | None:
    """What the name of a file says, if it is a segment's."""
    match = _SEGMENT.fullmatch(name)
    return SegmentName(int(match[1]), match[2]) if match else None


def is_log(name: str) -> bool:
    """Whether it is a file of events."""
    return _LOG.fullmatch(name) is not None
