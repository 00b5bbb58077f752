"""Defines the link between gateways and workers: what a gateway asks a worker, and what it hears besides
events.

A gateway connects to `PATH` with the internal secret and sends one `OpenSession` as its first text frame. The
worker answers with `SessionAccepted` or `SessionRefused`, in which case the gateway tries another worker.
Then the client's audio and commands go to the worker as they are, with `ClientPresence` among them, and the
worker sends the events of the protocol without `seq`, with `Progress` among them. A gateway and a worker of
different versions do not work together: the worker refuses, naming its own version.
"""

from typing import Final, TypeAlias

import msgspec

from dalston_realtime.protocol.commands import MAX_TEXT, Command, decode_command
from dalston_realtime.protocol.errors import DalstonError
from dalston_realtime.protocol.events import Event
from dalston_realtime.protocol.parameters import SessionConfig

VERSION: Final = 2  # Goes up with every change that the other side must know of.
PATH: Final = "/v1/session"

WINDOW_S: Final = 0.032  # Seconds that the VAD looks at together: 512 samples at 16 kHz.
PREROLL_S: Final = 0.256  # Seconds of an utterance before the first speech window, for soft onsets.
MAX_OVERLAP_S: Final = (
    1.2  # Seconds by which an utterance may begin before the cut or stall that ended the last one.
)
MAX_UTTERANCE_S: Final = 30.0  # Seconds of the longest utterance that a worker can be set to.


class BadLinkMessage(DalstonError):
    """A frame is not a message of the link; the message says why."""


class UnknownLinkVersion(BadLinkMessage):
    """The other side speaks another version of the link."""


class ResumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session goes on that another worker began.

    `clock` is the sample of the first audio that comes, `replayed` the sample up to which audio was heard
    before and comes at once; both at 16 kHz since the session began. `utterance` is the number of the next
    final. `previous_words` are the last words that are final, which the first ones to come may repeat where
    it `overlaps`. `stable_words` are words of the next utterance that the client was promised, and of which
    it may have seen more if a partial was shown (`partial_shown`). `age` is the seconds since the session
    began, over all of its workers; a gateway that does not say it begins to count anew. Where channels are
    transcribed apart, this is the first one's point, and `others` has those of the others. The audio begins
    at the earliest `clock` of them.
    """

    clock: int
    replayed: int
    utterance: int
    previous_words: tuple[str, ...] = ()
    overlaps: bool = False
    stable_words: tuple[str, ...] = ()
    partial_shown: bool = False
    age: float = 0.0
    others: tuple["ResumePoint", ...] = ()


class OpenSession(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="open"
):
    """A gateway's request for a session.

    `session_id` names the client's session; `link_id` tells this connection from an earlier one for the same
    session, and is empty for the first. `config` is what the client asked for, with the changes since; its
    `model` is the concrete one where the session was `degraded`.
    """

    version: int
    session_id: str
    link_id: str
    config: SessionConfig
    degraded: bool = False
    resume: ResumePoint | None = None


class SessionAccepted(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="accepted"):
    """The worker serves the session."""

    version: int


class SessionRefused(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="refused"):
    """The worker does not serve the session; `message` says why, `version` is the worker's."""

    version: int
    message: str


class ClientPresence(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="presence"):
    """The client came back (`present`), or is away and may come back: meanwhile no time-out runs."""

    present: bool


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="progress"):
    """The worker has dealt with the session's audio up to `processed` seconds."""

    processed: float


OpenReply: TypeAlias = SessionAccepted | SessionRefused
WorkerMessage: TypeAlias = Event | Progress
GatewayMessage: TypeAlias = Command | ClientPresence


class _LinkVersion(msgspec.Struct):
    version: int


_VERSIONS: Final = msgspec.json.Decoder(_LinkVersion)
_OPENS: Final = msgspec.json.Decoder(OpenSession)
_REPLIES: Final[msgspec.json.Decoder[OpenReply]] = msgspec.json.Decoder(OpenReply)
_WORKER: Final[msgspec.json.Decoder[WorkerMessage]] = msgspec.json.Decoder(WorkerMessage)
_GATEWAY: Final[msgspec.json.Decoder[GatewayMessage]] = msgspec.json.Decoder(GatewayMessage)
_ENCODER: Final = msgspec.json.Encoder()
_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def encode(message: OpenSession | OpenReply | ClientPresence | WorkerMessage) -> str:
    """The JSON of a message."""
    return _ENCODER.encode(message).decode()


def decode_open(frame: str | bytes) -> OpenSession:
    """The request in the first frame of a gateway.

    Raises:
        UnknownLinkVersion: it is of another version.
        BadLinkMessage: it is none.
    """
    try:
        asked = _VERSIONS.decode(frame)
        if asked.version != VERSION:
            raise UnknownLinkVersion(
                f"link version {asked.version} is not known here; this worker speaks {VERSION}"
            )
        return _OPENS.decode(frame)
    except _ERRORS as error:
        raise BadLinkMessage(f"not a request for a session: {error}") from None


def decode_reply(frame: str | bytes) -> OpenReply:
    """The answer in the first frame of a worker.

    Raises:
        BadLinkMessage: it is none.
    """
    try:
        return _REPLIES.decode(frame)
    except _ERRORS as error:
        raise BadLinkMessage(f"not an answer to a request for a session: {error}") from None


def decode_worker_message(frame: str | bytes) -> WorkerMessage:
    """The event, or the progress, in a frame of a worker.

    Raises:
        BadLinkMessage: it is neither.
    """
    try:
        return _WORKER.decode(frame)
    except _ERRORS as error:
        raise BadLinkMessage(f"neither an event nor progress: {error}") from None


def decode_gateway_message(text: str) -> GatewayMessage:
    """The client's command, or the gateway's word of the client's presence, in a text frame.

    Raises:
        BadCommand: it is neither.
    """
    if len(text) > MAX_TEXT:
        return decode_command(text)  # which says what is wrong
    try:
        return _GATEWAY.decode(text)
    except _ERRORS:
        return decode_command(text)
