"""Defines what Wyoming clients ask for, and what they are told, as events."""

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from dalston_realtime.protocol.models import ModelInfo
from dalston_realtime.protocol.parameters import MAX_PHRASE_CHARS, MAX_PHRASES
from gateway.realtime.wyoming.wire import BadWyomingEvent, WyomingEvent

M = TypeVar("M", bound=msgspec.Struct)

NAME: Final = "dalston-realtime"
DESCRIPTION: Final = "Live speech-to-text"
ATTRIBUTION: Final = {"name": NAME, "url": "https://pypi.org/project/dalston-realtime"}
UNKNOWN_YET: Final = (
    "en",
)  # The languages that are named before any worker was seen: of the embedded models.

SILENCE_BY_SENSITIVITY: Final = {"aggressive": 250, "default": 700, "relaxed": 1250}
"""Milliseconds of silence that end an utterance, by `vad_sensitivity`."""


class Transcribe(msgspec.Struct, frozen=True):
    """How the audio that follows is to be transcribed."""

    name: str | None = None
    language: str | None = None
    context: Any = None
    vad_sensitivity: str | None = None
    transcript_names: tuple[str, ...] | None = None
    transcript_terms: tuple[str, ...] | None = None

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The names, then the terms, as many as a vocabulary may have."""
        phrases = dict.fromkeys((*(self.transcript_names or ()), *(self.transcript_terms or ())))
        return tuple(p for p in phrases if 0 < len(p) <= MAX_PHRASE_CHARS)[:MAX_PHRASES]

    @property
    def ignored(self) -> tuple[str, ...]:
        """What it asks for and nobody does."""
        return ("context",) if self.context else ()


def read_data(event: WyomingEvent, kind: type[M]) -> M:
    """The data of an event as the structure that it must have.

    Raises:
        BadWyomingEvent: it has another one.
    """
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise BadWyomingEvent(f"{event.type[:40]}: {error}"[:200]) from None


def info(models: Iterable[ModelInfo], version: str, *, client_ends: bool) -> WyomingEvent:
    """What this server is, with a model of each name; `client_ends` asks clients to end the audio."""
    named = {model.name: model for model in models}
    listed = [_model(each.name, each.languages, version) for each in named.values()]
    program = {
        "name": NAME,
        "attribution": ATTRIBUTION,
        "installed": True,
        "description": DESCRIPTION,
        "version": version,
        "models": listed or [_model(NAME, UNKNOWN_YET, version)],
        "supports_transcript_streaming": True,
        "requires_external_vad": client_ends,
        "prefers_auto_gain_enabled": False,
        "prefers_noise_reduction_enabled": False,
    }
    none: dict[str, Any] = {kind: [] for kind in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return WyomingEvent("info", {"asr": [program], **none})


def transcript(text: str, language: str | None) -> WyomingEvent:
    """The answer to a request."""
    return WyomingEvent("transcript", {"text": text} | ({"language": language} if language else {}))


def failure(message: str, code: str) -> WyomingEvent:
    """The end of a request that has no answer."""
    return WyomingEvent("error", {"text": message, "code": code})


def _model(name: str, languages: Iterable[str], version: str) -> dict[str, Any]:
    about = {"name": name, "attribution": ATTRIBUTION, "installed": True, "description": name}
    return {**about, "version": version, "languages": list(languages)}
