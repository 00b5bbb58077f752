"""What the same engine makes of whole recordings: how much accuracy being live costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from bench.measure.figures import ratio
from bench.measure.score import Score
from bench.measure.word_errors import errors
from bench.recordings.align import floats
from bench.recordings.recording import Recording
from bench.servers.engines import engine_for
from engines.base import Job, UtteranceEngine

MAX_S: Final = 15.0  # longer recordings are beyond what small models take at once
THREADS: Final = 2


@dataclass(frozen=True, slots=True)
class Against:
    """Word error rates in percent, over the same recordings as often as they were played."""

    live: float
    whole: float

    def __str__(self) -> str:
        """One line for the terminal."""
        return (
            f"Word error rate of recordings up to {MAX_S:.0f} s: {self.live:.1f} % live,"
            f" {self.whole:.1f} % where the same engine hears each as a whole."
        )


def against_whole(
    models: str | None, model: str, recordings: Sequence[Recording], scores: Sequence[Score]
) -> Against | None:
    """Live and whole; None for an engine that streams, and where nothing short with a text was played.

    `models` is what the server was started with; the engine is loaded here, when the server has stopped.

    Raises:
        StartupError: the engine can't be loaded.
    """
    short = [r for r in recordings if r.text is not None and r.seconds <= MAX_S]
    names = {score.recording for score in scores}
    played = [recording for recording in short if recording.name in names]
    engine = _engine(models, model) if played else None
    if engine is None:
        return None
    found = {recording.name: _errors(engine, recording) for recording in played}
    total = [score for score in scores if score.recording in found]
    words = sum(score.reference_words or 0 for score in total)
    live = ratio(sum(score.word_errors or 0 for score in total), words, 100)
    whole = ratio(sum(found[score.recording] for score in total), words, 100)
    return None if live is None or whole is None else Against(live, whole)


def _engine(models: str | None, model: str) -> UtteranceEngine | None:
    engine = engine_for(models, model, THREADS)
    if engine is None or engine.info.features["streaming"]:
        return None
    return cast(UtteranceEngine, engine)


def _errors(engine: UtteranceEngine, recording: Recording) -> int:
    (heard,) = engine.transcribe([Job(floats(recording.pcm))])
    assert recording.text is not None
    return errors(recording.text, heard.text)[0]
