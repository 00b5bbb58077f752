"""The server's events: a JSON text frame in, a frozen dataclass out.

Fields that this version does not know are ignored (all of them stay in `raw`), absent ones are
None. An event of an unknown type is `Unknown`, so that a newer server does not break a client.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from types import NoneType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import orjson

from dalston_realtime.client.errors import ProtocolError, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word of a final; times in seconds on the session's audio clock."""

    word: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    seq: int | None = None  # counts from 1 without a gap
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQueued(_Event):
    """No place is free yet; `expected_wait` in seconds."""

    position: int | None = None
    expected_wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBegin(_Event):
    """A worker took the session; `model` is the concrete one."""

    session_id: str
    model: str | None = None
    variant: str | None = None
    language: str | None = None
    degraded: bool | None = None
    config: Mapping[str, Any] | None = None
    features: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResumed(_Event):
    """A lost session goes on; events from `replayed_from` were sent again.

    So many seconds of audio and so many messages have arrived: the client goes on behind them.
    """

    session_id: str
    replayed_from: int | None = None
    audio_received: float | None = None  # not rounded
    messages_received: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStart(_Event):
    """Somebody speaks from `timestamp` (seconds) on."""

    timestamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnd(_Event):
    """Nobody speaks from `timestamp` (seconds) on."""

    timestamp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial(_Event):
    """What an utterance looks like so far; replaces the partial before it.

    The first `stable` characters of `text` will not change any more. `timing` is milliseconds by
    stage, where it was asked for.
    """

    text: str
    utterance: int | None = None
    stable: int | None = None
    start: float | None = None
    end: float | None = None
    timing: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Final(_Event):
    """An utterance that will not change any more; `flush_id` where it answers a flush."""

    text: str
    utterance: int | None = None
    start: float | None = None
    end: float | None = None
    language: str | None = None
    confidence: float | None = None
    words: tuple[Word, ...] | None = None
    flush_id: str | None = None
    timing: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWarning(_Event):
    """Something the client should know; the figures behind it are in `raw`."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError(_Event):
    """Something went wrong; the session goes on only if it is `recoverable`."""

    code: str
    message: str
    recoverable: bool = False
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd(_Event):
    """Everything was transcribed; `transcript` is the finals joined by single spaces."""

    session_id: str | None = None
    transcript: str | None = None
    segments: Any = None
    audio_duration: float | None = None  # seconds
    speech_duration: float | None = None  # seconds
    enhancement_job_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Event):
    """An event of a type that this version does not know; its fields are in `raw`."""

    type: str


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
    | Unknown
)


_TYPES: dict[str, type[Event]] = {
    "session.queued": SessionQueued,
    "session.begin": SessionBegin,
    "session.resumed": SessionResumed,
    "session.end": SessionEnd,
    "vad.speech_start": SpeechStart,
    "vad.speech_end": SpeechEnd,
    "transcript.partial": Partial,
    "transcript.final": Final,
    "warning": ServerWarning,
    "error": ServerError,
}


def parse_event(frame: str | bytes) -> Event:
    """The event in one text frame.

    Raises:
        ProtocolError: it is not JSON, has no type, or a field is missing or of the wrong type.
    """
    try:
        raw = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"the server sent a frame that is not JSON: {error}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise ProtocolError(f"the server sent an event without a type: {one_line(raw, 80)}")
    try:
        event: Event = _decode(_TYPES.get(raw["type"], Unknown), raw)
    except _BadField as error:
        raise ProtocolError(f"the server sent a bad {one_line(raw['type'], 80)}: {error}") from None
    return replace(event, raw=raw)


class _BadField(Exception):
    pass


def _decode(kind: Any, raw: Mapping[str, Any]) -> Any:
    """A `kind` from the fields of `raw` that it has, each checked against its annotation."""
    values = {}
    for name, (wanted, required) in _plan(kind).items():
        value = raw.get(name)
        if value is not None:
            values[name] = _checked(name, wanted, value)
        elif required:
            raise _BadField(f"{name} is missing")
    return kind(**values)


@cache
def _plan(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Field names of a dataclass, with the type without `| None` and whether it must be there."""
    hints = get_type_hints(kind)
    return {
        f.name: (_without_none(hints[f.name]), f.default is MISSING) for f in fields(kind) if f.name != "raw"
    }


def _without_none(hint: Any) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    return kinds[0] if NoneType in get_args(hint) else hint


def _checked(name: str, wanted: Any, value: Any) -> Any:
    if wanted is Any:
        return value
    if wanted is float and type(value) in (int, float):
        return float(value)
    if wanted in (str, bool) and isinstance(value, wanted):
        return value
    if wanted is int and type(value) is int and value >= 0:
        return value
    if get_origin(wanted) is Mapping and isinstance(value, dict):
        inner = get_args(wanted)[1]
        return {key: _checked(f"{name}.{one_line(key, 40)}", inner, v) for key, v in value.items()}
    if get_origin(wanted) is tuple and isinstance(value, list):
        return tuple(_element(name, get_args(wanted)[0], v) for v in value)
    raise _BadField(f"{name} has a bad value: {one_line(value, 40)}")


def _element(name: str, kind: type[Any], value: Any) -> Any:
    if isinstance(value, dict):
        return _decode(kind, value)
    raise _BadField(f"{name} has a bad element: {one_line(value, 40)}")
