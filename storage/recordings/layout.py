"""Names the files of a session, and checks its id before it becomes a part of a path.

    sessions/ID/audio.wav                          the recording, once it is joined
    sessions/ID/transcript.json                    its events and its text, likewise
    parts/ID/000000960000.00000-ab12cd34ef56.wav   a segment, by its first sample and its writer
    parts/ID/00000-ab12cd34ef56.jsonl              the events that a writer saw
    parts/ID/ended                                 the session is over: the parts may be joined
    parts/ID/joining                               the gateway that joins them now
    gateways/ab12cd34                              a number that grows while this gateway lives

A writer is one gateway that had the session. Its name begins with the number of times that the session was
taken over, so names in order are writers in order; then comes the gateway. What is not joined lies in a
folder of its own, so that it is found without a look at all sessions that were ever recorded.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Final, NamedTuple

from storage.recordings.errors import BadSessionId

SESSIONS: Final = "sessions"
PARTS: Final = "parts"
GATEWAYS: Final = "gateways"
AUDIO: Final = "audio.wav"
TRANSCRIPT: Final = "transcript.json"
ENDED: Final = "ended"
JOINING: Final = "joining"

SESSION_ID: Final = re.compile(r"[0-9a-f]{32}")
"""The form of a session's id; nothing else touches a path."""

_WRITER: Final = r"[0-9]{5}-[0-9a-f]{4,16}"
_SEGMENT: Final = re.compile(rf"([0-9]{{12,19}})\.({_WRITER})\.wav", re.ASCII)
_LOG: Final = re.compile(rf"({_WRITER})\.jsonl", re.ASCII)
_RANDOM_DIGITS: Final = 4  # Hexadecimal digits at the end of a writer's name, behind those of its gateway.


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
        raise BadSessionId("32 digits from 0 to f")
    return session_id


def session_folder(session_id: str) -> str:
    """Where the joined files of a session lie.

    Raises:
        BadSessionId: the id can't name a folder.
    """
    return f"{SESSIONS}/{check_id(session_id)}"


def parts_folder(session_id: str) -> str:
    """Where the parts of a session lie until they are joined.

    Raises:
        BadSessionId: the id can't name a folder.
    """
    return f"{PARTS}/{check_id(session_id)}"


def new_gateway() -> str:
    """The name of a gateway like no other."""
    return secrets.token_hex(4)


def new_writer(takeovers: int, gateway: str) -> str:
    """The name of a writer like no other, of a session that was taken over so many times."""
    return f"{takeovers:05d}-{gateway}{secrets.token_hex(_RANDOM_DIGITS // 2)}"


def last_gateway(names: Iterable[str]) -> str:
    """The gateway of the last writer among the files of a session's parts; empty where there is none."""
    writers = [match[1] for name in names if (match := _LOG.fullmatch(name))]
    writers += [segment.writer for name in names if (segment := read_segment_name(name))]
    return max(writers, default="").partition("-")[2][:-_RANDOM_DIGITS]


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


def is_part(name: str) -> bool:
    """Whether it is a file that says something of the session."""
    return name == ENDED or is_log(name) or read_segment_name(name) is not None
