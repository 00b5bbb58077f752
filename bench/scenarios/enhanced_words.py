"""Compares the word errors of the live text with those of the enhanced one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.measure.figures import ratio
from bench.measure.stage_chain import run_stages
from bench.measure.word_errors import word_errors
from bench.recordings.recording import TextRecording
from bench.recordings.text_sets import TEXT_SETS
from bench.request import BenchRequest
from bench.scenarios.accuracy import THREADS, live_texts
from bench.servers.engines import utterance_engine_for
from engines.silero import SileroVad
from enhancement.settings import EnhancerSettings

SETS: Final = ("reading", "spontaneous")  # Those whose recordings all have a text.
COLUMNS: Final = ("Set", "Recordings", "Words", "Live WER %", "Enhanced WER %")


@dataclass(frozen=True, slots=True)
class EnhancedText:
    """A recording, and the word errors of its live and of its enhanced text."""

    set: str
    name: str
    live: str
    enhanced: str
    words: int
    errors_live: int
    errors_enhanced: int


def compare_words(request: BenchRequest, folder: Path) -> Iterator[EnhancedText]:
    """Each recording with a text; packages are fetched into `folder`.

    Raises:
        DalstonError: there is no such engine, or a package can't be fetched.
    """
    engine, settings = (
        utterance_engine_for(request.server_settings.get("models"), request.model, THREADS),
        enhancer_settings(request),
    )
    for name in SETS:
        for recording in TEXT_SETS[name](folder):
            if recording.text is not None:
                texts = live_texts(recording.pcm, SileroVad(), engine, request)
                yield compared(
                    name, recording, texts[-1] if texts else "", enhanced_text(recording, settings)
                )


def enhancer_settings(request: BenchRequest) -> EnhancerSettings:
    """The settings of the pipeline: those of the environment, then those of the request."""
    return EnhancerSettings(**dict(request.server_settings))  # type: ignore[arg-type]


def enhanced_text(recording: TextRecording, settings: EnhancerSettings) -> str:
    """What the stages prepare and transcribe make of a recording."""
    with TemporaryDirectory(prefix="dalston-enhance-") as folder:
        work = run_stages(recording.pcm, ("prepare", "transcribe"), Path(folder), settings)
    return " ".join(piece.text for piece in work.heard.pieces)


def compared(name: str, recording: TextRecording, live: str, enhanced: str) -> EnhancedText:
    """A recording of a set, with the errors of both texts."""
    assert recording.text is not None
    errors, words = word_errors(recording.text, live)
    errors_enhanced, _ = word_errors(recording.text, enhanced)
    return EnhancedText(name, recording.name, live, enhanced, words, errors, errors_enhanced)


def word_rows(found: Sequence[EnhancedText]) -> list[list[str]]:
    """A row of the table for each set."""
    return [_row(name, [each for each in found if each.set == name]) for name in SETS]


def _row(name: str, found: Sequence[EnhancedText]) -> list[str]:
    words = sum(each.words for each in found)
    live = ratio(sum(each.errors_live for each in found), words, 100)
    enhanced = ratio(sum(each.errors_enhanced for each in found), words, 100)
    rates = ["-" if rate is None else f"{rate:.1f}" for rate in (live, enhanced)]
    return [name, str(len(found)), str(words), *rates]
