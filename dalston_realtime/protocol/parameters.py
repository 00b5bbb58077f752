"""What a client asks for: the query string in, a checked `SessionConfig` out.

The gateway parses it to refuse a bad value before the upgrade, the receiver to act on it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, get_args

import orjson

from dalston_realtime.protocol.errors import InvalidParameter

Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]
Overflow = Literal["reject", "queue", "degrade"]

MinSilence: TypeAlias = int | Literal["auto"]
"""Milliseconds of silence that end an utterance; `auto`: as many as the text and the speaker ask for."""

SAMPLE_RATES: Final = (8_000, 48_000)  # Hz, inclusive
MIN_SILENCE_MS: Final = (100, 3_000)  # ms, inclusive
MAX_PHRASES: Final = 100
MAX_PHRASE_CHARS: Final = 50
CHANGEABLE: Final = ("min_silence_ms", "language", "interim_results")
"""What a client may change in a session."""
MAX_NAME_CHARS: Final = 200  # longer than any model name; keeps logs and keys short


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The parameters of one session; the defaults are the protocol's."""

    model: str = "fast"
    language: str = "auto"
    encoding: Encoding = "pcm_s16le"
    sample_rate: int = 16_000  # Hz
    channels: int = 1
    interim_results: bool = True
    enable_vad: bool = True
    word_timestamps: bool = False
    min_silence_ms: MinSilence = 300
    vocabulary: tuple[str, ...] = ()
    timing: bool = False
    overflow: Overflow | None = None  # None: as the server does


def parse_query(query: Mapping[str, str]) -> SessionConfig:
    """The session that a query string asks for. Unknown parameters are ignored.

    Raises:
        InvalidParameter: a known parameter has a bad value.
    """
    known = {name: parse(name, query[name]) for name, parse in _QUERY.items() if name in query}
    return SessionConfig(**known)


def apply_config(config: SessionConfig, message: Mapping[str, Any]) -> SessionConfig:
    """`config` after a client's `config` message; only some fields may change in a session.

    Raises:
        InvalidParameter: a field that may change has a value of the wrong type or range.
    """
    changed: dict[str, Any] = {}
    for name in CHANGEABLE:
        if name in message:
            changed[name] = _QUERY[name](name, _as_text(message[name]))
    return replace(config, **changed)


def _as_text(value: Any) -> str:
    """A JSON value as the query string would spell it, so that one parser checks both."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else type(value).__name__


def _integer(low: int, high: int, also: str = "") -> Callable[[str, str], int]:
    def parse(name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        whole = f"{also}a whole number from {low} to {high}"
        raise InvalidParameter(name, f"{name} must be {whole}, not {text[:40]!r}")

    return parse


def _min_silence(name: str, text: str) -> MinSilence:
    return "auto" if text == "auto" else _integer(*MIN_SILENCE_MS, also="auto or ")(name, text)


def _boolean(name: str, text: str) -> bool:
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise InvalidParameter(name, f"{name} must be true or false, not {text[:40]!r}")


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def parse(name: str, text: str) -> str:
        if text in choices:
            return text
        raise InvalidParameter(name, f"{name} must be one of {', '.join(choices)}, not {text[:40]!r}")

    return parse


def _language(name: str, text: str) -> str:
    if text == "auto" or (len(text) == 2 and text.isascii() and text.isalpha() and text.islower()):
        return text
    raise InvalidParameter(
        name, f"{name} must be auto or a two-letter ISO 639-1 code such as en, not {text[:40]!r}"
    )


def _model(name: str, text: str) -> str:
    if 0 < len(text) <= MAX_NAME_CHARS and text.isprintable():
        return text
    raise InvalidParameter(name, f"{name} must be a variant (fast, accurate) or the name of a loaded model")


def _vocabulary(name: str, text: str) -> tuple[str, ...]:
    try:
        phrases = orjson.loads(text)  # unlike json, it refuses half a surrogate pair
    except orjson.JSONDecodeError:
        phrases = None
    if (
        isinstance(phrases, list)
        and len(phrases) <= MAX_PHRASES
        and all(isinstance(p, str) and 0 < len(p) <= MAX_PHRASE_CHARS for p in phrases)
    ):
        return tuple(phrases)
    raise InvalidParameter(
        name,
        f"{name} must be a JSON list of at most {MAX_PHRASES} phrases of 1 to {MAX_PHRASE_CHARS} characters",
    )


_QUERY: Final[dict[str, Callable[[str, str], Any]]] = {
    "model": _model,
    "language": _language,
    "encoding": _one_of(*get_args(Encoding)),
    "sample_rate": _integer(*SAMPLE_RATES),
    "channels": _integer(1, 2),
    "interim_results": _boolean,
    "enable_vad": _boolean,
    "word_timestamps": _boolean,
    "min_silence_ms": _min_silence,
    "vocabulary": _vocabulary,
    "timing": _boolean,
    "overflow": _one_of(*get_args(Overflow)),
}
