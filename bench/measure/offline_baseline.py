"""Measures how much accuracy live transcription costs, against the same engine on complete recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from bench.measure.figures import ratio
from bench.measure.score import Score
from bench.measure.whole_text import whole_text
from bench.measure.word_errors import word_errors
from bench.recordings.recording import Recording
from bench.servers.engines import engine_for
from engines.base import UtteranceEngine

MAX_S: Final = 15.0  # Seconds; small models do not transcribe longer recordings in one piece.
THREADS: Final = 2  # CPU threads of a pass; the server has stopped by now.


@dataclass(frozen=True, slots=True)
class OfflineBaseline:
    """Word error rates in percent, live and of whole recordings, each counted as often as it was played."""

    live: float
    whole: float

    def __str__(self) -> str:
        """One line for the terminal."""
        return (
            f"Word error rate of recordings up to {MAX_S:.0f} s: {self.live:.1f} % live,"
            f" {self.whole:.1f} % where the same engine hears each as a whole."
        )


def offline_baseline(
    models: str | None, model: str, recordings: Sequence[Recording], scores: Sequence[Score]
) -> OfflineBaseline | None:
    """Transcribe the recordings that were played offline, and compare.

    None for an engine that streams, and where no short recording with a reference text was played. `models`
    is what the server was started with; the engine is loaded in this process.

    Raises:
        StartupError: the engine can't be loaded.
    """
    short = [r for r in recordings if r.text is not None and r.seconds <= MAX_S]
    names = {score.recording for score in scores}
    played = [recording for recording in short if recording.name in names]
    engine = _utterance_engine(models, model) if played else None
    if engine is None:
        return None
    offline = {recording.name: _count_errors(engine, recording) for recording in played}
    compared = [score for score in scores if score.recording in offline]
    words = sum(score.reference_words or 0 for score in compared)
    live = ratio(sum(score.word_errors or 0 for score in compared), words, 100)
    whole = ratio(sum(offline[score.recording] for score in compared), words, 100)
    return None if live is None or whole is None else OfflineBaseline(live, whole)


def _utterance_engine(models: str | None, model: str) -> UtteranceEngine | None:
    engine = engine_for(models, model, THREADS)
    if engine is None or engine.info.features["streaming"]:
        return None
    return cast(UtteranceEngine, engine)


def _count_errors(engine: UtteranceEngine, recording: Recording) -> int:
    assert recording.text is not None
    return word_errors(recording.text, whole_text(engine, recording.pcm))[0]
