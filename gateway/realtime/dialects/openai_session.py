"""Reads what clients of OpenAI's realtime protocol ask of a session, and shows them what is in force."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import (
    MAX_NAME_CHARS,
    MIN_SILENCE_MS,
    SAMPLE_RATES,
    SessionConfig,
    parse_query,
)
from gateway.realtime.dialects.vocabulary import make_vocabulary

DEFAULT_SILENCE_MS: Final = 500  # Milliseconds of silence that end a turn, where a client names none.
PCM_RATE: Final = 24_000  # Hz of `audio/pcm`, where a client names none.
TELEPHONE_RATE: Final = 8_000  # Hz of the formats of telephones, which have no other.

ENCODINGS: Final[Mapping[str, str]] = {"audio/pcm": "pcm_s16le", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
"""OpenAI's names of the formats, and ours."""

FLAT_FORMATS: Final[Mapping[str, str]] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}
"""The names of the same in the flat form of the beta."""

FLAT_FIELDS: Final[Mapping[str, str]] = {
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
    "input_audio_noise_reduction": "noise_reduction",
}
"""Fields of the flat form, and where `audio.input` has them."""

IGNORED_OF_TURNS: Final = (
    "create_response",
    "eagerness",
    "idle_timeout_ms",
    "interrupt_response",
    "prefix_padding_ms",
    "threshold",
)
IGNORED_OF_TRANSCRIPTION: Final = ("delay", "prompt")


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """What a client asks for; `silence_ms` is None where it commits by itself."""

    model: str = ""
    language: str = "auto"
    format: str = "audio/pcm"
    rate: int = PCM_RATE
    silence_ms: int | None = DEFAULT_SILENCE_MS
    vocabulary: tuple[str, ...] = ()

    @property
    def is_manual(self) -> bool:
        """Whether the client says by itself where a turn ends."""
        return self.silence_ms is None

    def config(self) -> SessionConfig:
        """The session for it, which waits for a slot where none is free.

        Raises:
            InvalidParameter: a value is none that a session can have.
        """
        query = {"encoding": ENCODINGS[self.format], "sample_rate": str(self.rate), "language": self.language}
        if self.silence_ms is not None:
            query["min_silence_ms"] = str(self.silence_ms)
        if self.model:
            query["model"] = self.model
        parsed = parse_query({**query, "overflow": "queue"})
        return SessionConfig(**{**_fields(parsed), "model": self.model, "vocabulary": self.vocabulary})

    def changed(self, session: Any) -> "RealtimeOptions":
        """The same with what an update names; what it leaves out stays as it is.

        Raises:
            InvalidParameter: it asks for what a session can't have.
        """
        asked = _object(session, "session")
        if asked.get("type", "transcription") != "transcription":
            raise InvalidParameter("session.type", "this server only transcribes: session.type must say so")
        found = _audio_input(asked)
        options = self
        if found.get("format") is not None:
            options = _with_format(options, _object(found["format"], "format"))
        if found.get("transcription") is not None:
            options = _with_transcription(options, _object(found["transcription"], "transcription"))
        if "turn_detection" in found:
            silence = _silence(found["turn_detection"])
            options = replace(options, silence_ms=silence)
        return options

    def shown(self, model: str, *, flat: bool) -> dict[str, Any]:
        """What is in force, in the form of the beta (`flat`) or of today; `model` is our name of it."""
        language = None if self.language == "auto" else self.language
        transcription = {"model": model, "language": language, "prompt": ""}
        turns = (
            None if self.is_manual else {"type": "server_vad", "silence_duration_ms": self.silence_ms or 0}
        )
        if flat:
            names = {name: flat_name for flat_name, name in FLAT_FORMATS.items()}
            return {
                "input_audio_format": names[self.format],
                "input_audio_transcription": transcription,
                "turn_detection": turns,
                "input_audio_noise_reduction": None,
                "client_secret": None,
                "include": None,
            }
        audio = {
            "format": {"type": self.format, "rate": self.rate},
            "transcription": transcription,
            "noise_reduction": None,
            "turn_detection": turns,
        }
        return {"type": "transcription", "audio": {"input": audio}, "include": None}


def describe_session(session: Mapping[str, Any], *, flat: bool) -> dict[str, Any]:
    """What will be in force of a session that is asked for before there is a connection.

    Raises:
        InvalidParameter: it asks for what a session can't have.
    """
    options = RealtimeOptions().changed(session)
    options.config()
    return options.shown(options.model, flat=flat)


def ignored_of(session: Any) -> tuple[str, ...]:
    """What an update asks for and nobody does, by OpenAI's names."""
    asked = session if isinstance(session, Mapping) else {}
    try:
        found = _audio_input(asked)
    except InvalidParameter:
        return ()
    turns, words = found.get("turn_detection"), found.get("transcription")
    names = [*_asked(turns, IGNORED_OF_TURNS), *_asked(words, IGNORED_OF_TRANSCRIPTION)]
    if isinstance(turns, Mapping) and turns.get("type") == "semantic_vad":
        names.append("semantic_vad")
    if found.get("noise_reduction"):
        names.append("noise_reduction")
    if asked.get("include"):
        names.append("include")
    return tuple(names)


def _asked(values: Any, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if isinstance(values, Mapping) and values.get(name)]


def _fields(config: SessionConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__struct_fields__}


def _audio_input(session: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `audio.input`, wherever the client has put them."""
    audio = _object(session.get("audio") or {}, "session.audio")
    found = dict(_object(audio.get("input") or {}, "session.audio.input"))
    found |= {name: session[flat] for flat, name in FLAT_FIELDS.items() if flat in session}
    if session.get("input_audio_format") is not None:
        name = session["input_audio_format"]
        if not isinstance(name, str) or name not in FLAT_FORMATS:
            text = f"input_audio_format must be one of {', '.join(FLAT_FORMATS)}"
            raise InvalidParameter("session.input_audio_format", text)
        found["format"] = {"type": FLAT_FORMATS[name]}
    return found


def _with_format(options: RealtimeOptions, asked: Mapping[str, Any]) -> RealtimeOptions:
    name = asked.get("type", options.format)
    if not isinstance(name, str) or name not in ENCODINGS:
        raise InvalidParameter("session.audio.input.format", f"type must be one of {', '.join(ENCODINGS)}")
    if name != "audio/pcm":
        return replace(options, format=name, rate=TELEPHONE_RATE)
    rate, (low, high) = asked.get("rate") or PCM_RATE, SAMPLE_RATES
    if not isinstance(rate, int) or isinstance(rate, bool) or not low <= rate <= high:
        raise InvalidParameter(
            "session.audio.input.format.rate", f"rate must be a whole number from {low} to {high}"
        )
    return replace(options, format=name, rate=rate)


def _with_transcription(options: RealtimeOptions, asked: Mapping[str, Any]) -> RealtimeOptions:
    if asked.get("model") is not None:
        options = replace(options, model=_model_name(asked["model"]))
    if "languages" in asked:
        codes = _texts(asked["languages"] or [], "languages")
        options = replace(options, language=codes[0] if len(codes) == 1 else "auto")
    if "language" in asked:
        options = replace(options, language=_text(asked["language"] or "auto", "language"))
    if "keywords" in asked:
        options = replace(options, vocabulary=make_vocabulary(_texts(asked["keywords"] or [], "keywords")))
    return options


def _silence(asked: Any) -> int | None:
    """Milliseconds of silence that end a turn; None where the client says where turns end."""
    if asked is None:
        return None
    value = _object(asked, "turn_detection").get("silence_duration_ms")
    if value is None:
        return DEFAULT_SILENCE_MS
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidParameter("turn_detection.silence_duration_ms", "silence_duration_ms must be a number")
    low, high = MIN_SILENCE_MS
    return round(min(max(value, low), high))


def _model_name(value: Any) -> str:
    name = _text(value, "model")
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidParameter("transcription.model", f"model has more than {MAX_NAME_CHARS} characters")
    return name


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidParameter(name, f"{name} must be an object")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise InvalidParameter(f"transcription.{name}", f"{name} must be a text")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidParameter(f"transcription.{name}", f"{name} must be a list of texts")
    return tuple(_text(each, name) for each in value)
