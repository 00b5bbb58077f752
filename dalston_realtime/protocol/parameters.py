"""Defines the parameters of a session, and reads them from a query string and from `config` messages.

The gateway reads the query string to refuse a bad value before the upgrade; the client and docs/protocol.md
take names and defaults from here.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from dalston_realtime.protocol.audio import Encoding
from dalston_realtime.protocol.commands import ConfigCommand
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.languages import short_code

Overflow: TypeAlias = Literal["reject", "queue", "degrade"]

ChannelMode: TypeAlias = Literal["mix", "separate"]
"""Whether the channels become one, or each has a transcript of its own."""

MinSilence: TypeAlias = int | Literal["auto"]
"""Milliseconds of silence that end an utterance; `auto`: as many as the text and the speaker ask for."""

SAMPLE_RATES: Final = (8_000, 192_000)  # Hz, inclusive: from telephones to what studios record with.
CHANNELS: Final = (1, 8)  # Inclusive; as many as people have microphones on one sound card.
MIN_SILENCE_MS: Final = (100, 3_000)  # Milliseconds, inclusive: below, words are cut; above, nobody waits.
MAX_PHRASES: Final = 100  # Phrases of a vocabulary.
MAX_PHRASE_CHARS: Final = 50  # Characters of one phrase.
LANGUAGE_TAG: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8}){0,4}", re.ASCII)
"""A language's code of two letters (ISO 639-1) or three (639-2, 639-3), perhaps a script and a region."""

WHOLE_NUMBER: Final = re.compile(r"([0-9]{1,9})(?:\.0{1,9})?", re.ASCII)
"""A whole number, which some languages write as a decimal: `44100.0`."""

MAX_METADATA_BYTES: Final = 2_048  # Bytes of the JSON in UTF-8, as it is in the query string.
MAX_NAME_CHARS: Final = 200  # Characters; longer than any model name, and keeps logs and keys short.


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of one session; the defaults are the protocol's."""

    model: str = "fast"
    language: str = "auto"
    encoding: Encoding = "pcm_s16le"
    sample_rate: int = 16_000  # Hz
    channels: int = 1
    channel_mode: ChannelMode = "mix"
    interim_results: bool = True
    enable_vad: bool = True
    word_timestamps: bool = False
    min_silence_ms: MinSilence = 300
    vocabulary: tuple[str, ...] = ()
    timing: bool = False
    overflow: Overflow | None = None  # None: as the server does
    store: bool | None = None  # None: as the server does
    enhance_on_end: bool = False  # implies `store`
    metadata: dict[str, Any] | None = None

    @property
    def separate(self) -> int:
        """How many channels have a transcript of their own; 0: they are mixed."""
        return self.channels if self.channel_mode == "separate" else 0


PARAMETERS: Final = SessionConfig.__struct_fields__
"""The names of the query parameters that describe a session."""

CHANGEABLE: Final = ConfigCommand.__struct_fields__
"""What a client may change in a session."""


def parse_query(query: Mapping[str, str]) -> SessionConfig:
    """The session that a query string asks for. Unknown parameters are ignored.

    Raises:
        InvalidParameter: a known parameter has a bad value.
    """
    known = {name: parse(name, query[name]) for name, parse in _QUERY.items() if name in query}
    return SessionConfig(**known)


def apply_config(config: SessionConfig, command: ConfigCommand) -> SessionConfig:
    """`config` after a client's `config` message; only some fields may change in a session.

    Raises:
        InvalidParameter: a field that may change has a value of the wrong type or range.
    """
    asked = {name: getattr(command, name) for name in CHANGEABLE}
    changed = {
        name: _QUERY[name](name, _as_text(value))
        for name, value in asked.items()
        if value is not msgspec.UNSET
    }
    return msgspec.structs.replace(config, **changed)


def _as_text(value: Any) -> str:
    """A JSON value as the query string would spell it, so that one parser checks both."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else type(value).__name__


def _integer(low: int, high: int, also: str = "") -> Callable[[str, str], int]:
    def parse(name: str, text: str) -> int:
        number = WHOLE_NUMBER.fullmatch(text)
        if number and low <= int(number[1]) <= high:
            return int(number[1])
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
    """`auto`, or the shortest code of a language in lower case: the models know no regions."""
    if text == "auto":
        return text
    if tag := LANGUAGE_TAG.fullmatch(text):
        return short_code(tag[1])
    raise InvalidParameter(
        name, f"{name} must be auto, an ISO 639 code such as en, or a tag such as en-US, not {text[:40]!r}"
    )


def _model(name: str, text: str) -> str:
    if 0 < len(text) <= MAX_NAME_CHARS and text.isprintable():
        return text
    raise InvalidParameter(name, f"{name} must be a variant (fast, accurate) or the name of a loaded model")


def _metadata(name: str, text: str) -> dict[str, Any]:
    """A JSON object; a value that no database keeps, such as a character NUL, is refused too."""
    if len(text.encode(errors="replace")) > MAX_METADATA_BYTES:
        raise InvalidParameter(name, f"{name} is longer than {MAX_METADATA_BYTES} bytes")
    try:
        found = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidParameter(name, f"{name} must be a JSON object") from None
    if "\\u0000" in text or "\x00" in text:
        raise InvalidParameter(name, f"{name} must have no character NUL")
    return found


def _vocabulary(name: str, text: str) -> tuple[str, ...]:
    try:
        phrases = msgspec.json.decode(text, type=tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        phrases = ("",)
    if len(phrases) <= MAX_PHRASES and all(0 < len(phrase) <= MAX_PHRASE_CHARS for phrase in phrases):
        return phrases
    raise InvalidParameter(
        name,
        f"{name} must be a JSON list of at most {MAX_PHRASES} phrases of 1 to {MAX_PHRASE_CHARS} characters",
    )


_QUERY: Final[dict[str, Callable[[str, str], Any]]] = {
    "model": _model,
    "language": _language,
    "encoding": _one_of(*get_args(Encoding)),
    "sample_rate": _integer(*SAMPLE_RATES),
    "channels": _integer(*CHANNELS),
    "channel_mode": _one_of(*get_args(ChannelMode)),
    "interim_results": _boolean,
    "enable_vad": _boolean,
    "word_timestamps": _boolean,
    "min_silence_ms": _min_silence,
    "vocabulary": _vocabulary,
    "timing": _boolean,
    "overflow": _one_of(*get_args(Overflow)),
    "store": _boolean,
    "enhance_on_end": _boolean,
    "metadata": _metadata,
}
