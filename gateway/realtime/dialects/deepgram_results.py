"""Makes Deepgram's `Results` of partials and finals."""

from dataclasses import dataclass
from typing import Any

from dalston_realtime.protocol.events import Final, Partial, Word
from gateway.spoken_words import spoken_text, spoken_word

UNKNOWN_CONFIDENCE = 0.0  # The schema demands a number.


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The ids that each result carries."""

    request_id: str
    model: str

    def metadata(self) -> dict[str, Any]:
        """As results have it."""
        info = {"name": self.model, "version": "1", "arch": self.model}
        return {"request_id": self.request_id, "model_info": info, "model_uuid": self.model}


def interim_result(event: Partial, begin: float, model: ModelDescription, *, written: bool) -> dict[str, Any]:
    """The result of a partial; `begin` is where the audio without a result begins."""
    best = _alternative(event.text, (), UNKNOWN_CONFIDENCE, written=written)
    return _result(event, begin, best, model) | {
        "is_final": False,
        "speech_final": False,
        "from_finalize": False,
    }


def final_result(
    event: Final,
    begin: float,
    model: ModelDescription,
    *,
    written: bool,
    ends_speech: bool,
    shows_language: bool = False,
) -> dict[str, Any]:
    """The result of a final."""
    confidence = UNKNOWN_CONFIDENCE if event.confidence is None else event.confidence
    best = _alternative(event.text, event.words or (), confidence, written=written)
    if shows_language and event.language:
        best["languages"] = [event.language]
    return _result(event, begin, best, model) | {
        "is_final": True,
        "speech_final": ends_speech,
        "from_finalize": event.flush_id is not None,
    }


def _result(
    event: Partial | Final, begin: float, best: dict[str, Any], model: ModelDescription
) -> dict[str, Any]:
    start = begin if event.start is None else event.start
    end = max(start, event.end or 0.0)
    return {
        "type": "Results",
        "start": start,
        "duration": round(end - start, 3),
        "channel": {"alternatives": [best]},
        "metadata": model.metadata(),
    }


def _alternative(text: str, words: tuple[Word, ...], confidence: float, *, written: bool) -> dict[str, Any]:
    return {
        "transcript": text if written else spoken_text(text),
        "confidence": confidence,
        "words": [found for word in words if (found := deepgram_word(word))],
    }


def deepgram_word(word: Word) -> dict[str, Any] | None:
    """A word with its time; None where it has none, or is nothing but punctuation."""
    if word.start is None or word.end is None or not (spoken := spoken_word(word.word)):
        return None
    confidence = UNKNOWN_CONFIDENCE if word.confidence is None else word.confidence
    times = {"start": word.start, "end": word.end, "confidence": confidence}
    return {"word": spoken, **times, "punctuated_word": word.word}
