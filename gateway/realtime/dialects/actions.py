"""Defines what a dialect wants to be done, with the client or with its session."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from dalston_realtime.protocol.parameters import SessionConfig


@dataclass(frozen=True, slots=True)
class SayFrame:
    """Send the client a text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class AppendAudio:
    """Pass audio on, in the form that the session's parameters name."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FlushSession:
    """Finalize what was said so far; exactly one final with this id comes, even where nothing was said."""

    id: str


@dataclass(frozen=True, slots=True)
class ChangeSession:
    """Go on with these parameters: what was said before is finalized where they can't change in between.

    They come back through `Conversation.accept`, as they are in force; those that the server refuses through
    `Conversation.reject`, and change nothing.
    """

    config: SessionConfig


@dataclass(frozen=True, slots=True)
class IdentifyClient:
    """Check a credential that came after the handshake; one that is bad ends the conversation."""

    credential: str | None


@dataclass(frozen=True, slots=True)
class NoteIgnored:
    """Count what the client asks for in a message and nobody does, by the names of its dialect."""

    dialect: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndSession:
    """Take no more audio, and finalize everything; then `Conversation.conclude` says the last words."""


@dataclass(frozen=True, slots=True)
class CloseClient:
    """Close the client's connection, behind the frames that were said."""

    code: int = 1000
    reason: str = ""


Action: TypeAlias = (
    SayFrame
    | AppendAudio
    | FlushSession
    | ChangeSession
    | IdentifyClient
    | NoteIgnored
    | EndSession
    | CloseClient
)
Actions: TypeAlias = Iterable[Action]

_ENCODER = msgspec.json.Encoder()


def say(message: Any) -> SayFrame:
    """Send the client a message as JSON."""
    return SayFrame(_ENCODER.encode(message).decode())
