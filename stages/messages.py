"""Everything that crosses a process: one closed union of frozen messages, and its MessagePack form.

A message is a header and, where it has one, a payload of raw bytes that is never packed into the
header: audio (16 kHz, mono, s16le) on the way down, a finished JSON event on the way back.

The only clock of a transcript is the sample index since the session began, silence included: fields
named `start`, `end` and `at` are such indices. `Stamps` are CLOCK_MONOTONIC nanoseconds.
"""

from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgpack

SAMPLE_RATE: Final = 16_000  # Hz, of all audio behind the receiver
BYTES_PER_SAMPLE: Final = 2

Route: TypeAlias = tuple[int, ...]
"""The process of each stage behind the receiver that a session stays with, in data-flow order."""

Stamps: TypeAlias = tuple[int, ...]
"""When a message came into and left each stage: receiver in, receiver out, vad in, vad out, ..."""

EndKind = Literal["maybe", "end", "cut", "flush"]

MinSilence: TypeAlias = int | Literal["auto"]
"""Milliseconds of silence that end an utterance; `auto`: as many as the text and the speaker ask for."""


@dataclass(frozen=True, slots=True)
class Open:
    """A session begins, or goes on after its worker was lost: at sample `start`, with `utterance` next.

    Then `before` are the last words that are final, which the first ones repeat where it `overlaps`;
    `frozen` are words of the next utterance that stand, of which the client may have been `shown` more.
    The audio up to sample `replayed` was heard before, and comes at once. A `degraded` session has its
    place beyond what the worker is meant for.
    """

    session: str
    route: Route
    model: str
    language: str
    interim_results: bool
    enable_vad: bool
    word_timestamps: bool
    min_silence_ms: MinSilence
    vocabulary: tuple[str, ...]
    timing: bool
    start: int = 0
    utterance: int = 1
    before: tuple[str, ...] = ()
    overlaps: bool = False
    frozen: tuple[str, ...] = ()
    shown: bool = False
    replayed: int = 0
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class Audio:
    """Samples from index `start` on, in the payload."""

    session: str
    route: Route
    start: int
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing to transcribe up to sample `end`; keeps the clock of the stages behind the VAD."""

    session: str
    route: Route
    end: int


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Utterance `utterance` (the VAD's own count) begins with speech at sample `at`.

    Its audio `overlaps` the utterance before it where that was ended in the middle of speech.
    """

    session: str
    route: Route
    utterance: int
    at: int
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The speech of an utterance ends at sample `at`; decode the audio up to `until`.

    `maybe` says that it looks like the end, so that the likely final is decoded ahead of time; nothing
    more comes of it if speech goes on. `end`, `cut` and `flush` are decisions. After a `cut` the next
    utterance begins at `resume`, which is before `until` where the two overlap. `decided` is how much
    audio the decision took.
    """

    session: str
    route: Route
    utterance: int
    at: int
    until: int
    kind: EndKind
    resume: int
    decided: int
    flush_id: str | None
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class TextEnd:
    """How likely a sentence is over where speech may have ended at sample `at`: what the text says of it.

    It goes from the ASR stage round to the VAD stage. It is of use for a moment only: one that is lost or
    late changes nothing.
    """

    session: str
    route: Route
    at: int
    finished: float | None  # 0..1; None: the text says nothing of it


@dataclass(frozen=True, slots=True)
class Flush:
    """The client wants a final of what was said so far."""

    session: str
    route: Route
    flush_id: str
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Stalled:
    """No more audio comes for the time being: what is being said has ended."""

    session: str
    route: Route
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Configure:
    """The client changes what may change in a session."""

    session: str
    route: Route
    language: str
    interim_results: bool
    min_silence_ms: MinSilence


@dataclass(frozen=True, slots=True)
class Close:
    """The session is over: `end` transcribes what was received, `gone` forgets it."""

    session: str
    route: Route
    reason: Literal["end", "gone"]
    received: int  # samples in all
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the ASR stage makes of an utterance, of samples `start` to `end`."""

    session: str
    route: Route
    utterance: int
    text: str
    start: int
    end: int
    decided: int  # a final's end was decided when so much audio had come
    final: bool
    overlaps: bool  # its first words may repeat the last ones of the utterance before it
    language: str | None
    confidence: float | None
    words: tuple[tuple[str, int, int, float | None], ...]  # word, start, end, confidence
    flush_id: str | None
    inference_ns: int
    stamps: Stamps


@dataclass(frozen=True, slots=True)
class Progress:
    """All audio up to sample `processed` has been dealt with."""

    session: str
    route: Route
    processed: int


@dataclass(frozen=True, slots=True)
class Event:
    """A protocol event on its way to the sender; `fields` are its JSON fields except `type`."""

    session: str
    route: Route
    kind: str
    fields: dict[str, Any]
    stamps: Stamps
    inference_ns: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A protocol event as it goes to the client: JSON in the payload, without `seq`."""

    session: str
    kind: str


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """A session can't go on, for the reason in `code` (a name of the protocol's close codes)."""

    session: str
    route: Route
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Alive:
    """A stage process is up; sent to the receiver every second.

    From `asr` only: `models` is JSON, `places` how many sessions its device holds (0: it has no say),
    `gpu_used` and `gpu_total` are bytes (0: no GPU).
    """

    stage: str
    index: int
    models: str = ""
    places: int = 0
    gpu_used: int = 0
    gpu_total: int = 0


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """No more messages come from this process: drain and end."""

    source: str


Message: TypeAlias = (
    Open
    | Audio
    | Silence
    | SpeechStart
    | SpeechEnd
    | TextEnd
    | Flush
    | Stalled
    | Configure
    | Close
    | Hypothesis
    | Progress
    | Event
    | Frame
    | SessionFailed
    | Alive
    | EndOfStream
)

MAX_HEADER_BYTES: Final = 1 << 20


class BadMessage(ValueError):
    """Bytes that are not one of our messages."""


def encode(message: Message) -> bytes:
    """The header: a MessagePack array of the type's number and its fields in order."""
    kind = _NUMBERS[type(message)]
    values = [getattr(message, name) for name in _FIELDS[kind]]
    return msgpack.packb([kind, *values])  # type: ignore[no-any-return]


def decode(header: bytes | memoryview) -> Message:
    """The message that a header says.

    Raises:
        BadMessage: it is too long, not MessagePack, of no known type, or a field has a wrong type.
    """
    if len(header) > MAX_HEADER_BYTES:
        raise BadMessage(f"a header of {len(header)} bytes; the limit is {MAX_HEADER_BYTES}")
    try:
        values = msgpack.unpackb(header, use_list=False, strict_map_key=True)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadMessage(f"not MessagePack: {error}") from None
    if not isinstance(values, tuple) or not values or not isinstance(values[0], int):
        raise BadMessage("not an array that begins with a type number")
    kind, *rest = values
    if not 0 <= kind < len(_TYPES) or len(rest) != len(_CHECKS[kind]):
        raise BadMessage(f"type number {kind} with {len(rest)} fields is unknown")
    for name, check, value in zip(_FIELDS[kind], _CHECKS[kind], rest, strict=True):
        if not check(value):
            raise BadMessage(f"{_TYPES[kind].__name__}.{name} can't be a {type(value).__name__} like this")
    return _TYPES[kind](*rest)  # type: ignore[no-any-return]


def _check(hint: Any) -> Any:
    """A predicate for the few kinds of types that fields have."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in arguments
    if origin is dict:
        return lambda value: isinstance(value, dict) and all(isinstance(k, str) for k in value)
    if origin is tuple:
        return _check_tuple(arguments)
    if arguments:  # a union
        checks = [_check(a) for a in arguments]
        return lambda value: any(check(value) for check in checks)
    if hint is int:
        return lambda value: type(value) is int and value >= 0
    return lambda value: type(value) is hint


def _check_tuple(arguments: tuple[Any, ...]) -> Any:
    if arguments[-1] is Ellipsis:
        each = _check(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(each, value))
    checks = [_check(a) for a in arguments]
    return lambda value: (
        isinstance(value, tuple)
        and len(value) == len(checks)
        and all(check(item) for check, item in zip(checks, value, strict=True))
    )


_TYPES: Final[tuple[Any, ...]] = get_args(Message)
_NUMBERS: Final = {kind: number for number, kind in enumerate(_TYPES)}
_FIELDS: Final = [tuple(f.name for f in fields(kind)) for kind in _TYPES]
_CHECKS: Final = [
    tuple(_check(get_type_hints(kind)[name]) for name in names)
    for kind, names in zip(_TYPES, _FIELDS, strict=True)
]
