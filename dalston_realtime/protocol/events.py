"""Defines every event that the server sends, and decodes and encodes them.

An event is one JSON text frame with `type` and `seq`. The union `Event` is closed: who adds an event adds a
class here, a golden file to tests/unit/protocol/golden and a row to docs/protocol.md. Times are seconds on
the session's audio clock (samples received, silence included), rounded to milliseconds, unless a field says
otherwise. A field that is not known is None here and left out of the JSON.
"""

from typing import Annotated, Any, TypeAlias, get_args
from typing import Final as Constant

import msgspec

from dalston_realtime.protocol.errors import DalstonError

MAX_EVENT_BYTES: Constant = 8 << 20  # Bytes of one event: session.end carries the transcript of hours.


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""A whole number that is never negative; a decoder refuses any other."""


Channel: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=7)]
"""A separate channel of the audio, counted from 0; left out where the channels are mixed."""


class BadEvent(DalstonError):
    """A frame is not an event of the protocol; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not an event of the protocol: {reason}")
        self.reason = reason


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One word of a final; `confidence` is 0 to 1."""

    word: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None


class Segment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One final with text, as `session.end` repeats it."""

    utterance: Count
    text: str
    start: float | None = None
    end: float | None = None
    channel: Channel | None = None


class EventBase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all events have: `seq` counts from 1 without a gap. A worker's events have none yet."""

    seq: Count | None = None

    @property
    def type(self) -> str:
        """The event's `type` in JSON, such as `transcript.final`."""
        return str(type(self).__struct_config__.tag)


class SessionQueued(EventBase, frozen=True, kw_only=True, tag="session.queued"):
    """No slot is free yet: the place in the queue from 1, and the seconds until its turn, where they are
    known."""

    position: Count
    expected_wait: float | None = None


class SessionBegin(EventBase, frozen=True, kw_only=True, tag="session.begin"):
    """A worker took the session; `model` is the concrete one, `config` what is in force.

    `resume_token` is for the client alone: with it a session whose connection was lost goes on.
    `degraded` says that the session got less than it asked for.
    """

    session_id: str
    resume_token: str | None = None
    model: str | None = None
    variant: str | None = None
    language: str | None = None
    degraded: bool | None = None
    config: dict[str, Any] | None = None
    features: dict[str, bool] | None = None


class SessionResumed(EventBase, frozen=True, kw_only=True, tag="session.resumed"):
    """A session whose connection was lost goes on; events from `replayed_from` were sent again.

    `audio_received` (seconds, not rounded) and `messages_received` (text frames) say what has arrived: the
    client goes on behind them. With compressed audio it goes on at byte `bytes_received` of its stream.
    """

    session_id: str
    replayed_from: Count
    audio_received: float
    messages_received: Count
    bytes_received: Count | None = None


class SpeechStart(EventBase, frozen=True, kw_only=True, tag="vad.speech_start"):
    """Somebody speaks from `timestamp` on."""

    timestamp: float
    channel: Channel | None = None


class SpeechEnd(EventBase, frozen=True, kw_only=True, tag="vad.speech_end"):
    """Nobody speaks from `timestamp` on."""

    timestamp: float
    channel: Channel | None = None


class Partial(EventBase, frozen=True, kw_only=True, tag="transcript.partial"):
    """The whole utterance so far; it replaces the partial before it.

    The first `stable` characters of `text` will not change any more. `timing` is milliseconds by stage, where
    it was asked for.
    """

    text: str
    utterance: Count | None = None
    stable: Count | None = None
    start: float | None = None
    end: float | None = None
    channel: Channel | None = None
    timing: dict[str, float] | None = None


class Final(EventBase, frozen=True, kw_only=True, tag="transcript.final"):
    """An utterance that will not change any more; `flush_id` where it answers a flush."""

    text: str
    utterance: Count | None = None
    start: float | None = None
    end: float | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] | None = None
    flush_id: str | None = None
    channel: Channel | None = None
    timing: dict[str, float] | None = None


class ServerWarning(EventBase, frozen=True, kw_only=True, tag="warning"):
    """Something that the client should know; the session goes on.

    `processing_lag` has `lag`, `received` and `processed`, `audio_lost` has `seconds`; all of them in
    seconds.
    """

    code: str
    message: str
    lag: float | None = None
    received: float | None = None
    processed: float | None = None
    seconds: float | None = None


class ServerError(EventBase, frozen=True, kw_only=True, tag="error"):
    """Something went wrong; the session goes on only if it is `recoverable`. `retry_after` is in seconds."""

    code: str
    message: str
    recoverable: bool
    retry_after: float | None = None


class SessionEnd(EventBase, frozen=True, kw_only=True, tag="session.end"):
    """Everything was transcribed; `transcript` is the finals joined by single spaces."""

    session_id: str | None = None
    transcript: str | None = None
    segments: tuple[Segment, ...] | None = None
    audio_duration: float | None = None
    speech_duration: float | None = None
    reason: str | None = None
    enhancement_job_id: str | None = None


Event: TypeAlias = (
    SessionQueued
    | SessionBegin
    | SessionResumed
    | SpeechStart
    | SpeechEnd
    | Partial
    | Final
    | ServerWarning
    | ServerError
    | SessionEnd
)

EVENT_TYPES: Constant[dict[str, type[Event]]] = {
    str(event.__struct_config__.tag): event for event in get_args(Event)
}
"""The classes of the events, by their `type` in JSON."""

CLIENT_END: Constant = "client_end"
"""The `reason` of a `session.end` that the client asked for."""

_DECODER: Constant[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)
_ENCODER: Constant = msgspec.json.Encoder()


def decode_event(frame: str | bytes) -> Event:
    """The event in one text frame; fields that this version does not know are ignored.

    Raises:
        BadEvent: it is not JSON, of no known type, or a field is missing or of the wrong type.
    """
    try:
        return _DECODER.decode(frame)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadEvent(str(error)) from None


def encode_event(event: Event) -> bytes:
    """The JSON of an event, in UTF-8."""
    return _ENCODER.encode(event)
