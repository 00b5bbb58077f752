"""Compares the live text of recordings with what the same engine hears in them as a whole.

The stages run in this process on a simulated clock, so the result does not depend on how busy the machine is.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.load.chunks import TAIL_S
from bench.load.playback import TextDisplay
from bench.load.session_replay import PassTimes, SessionReplay
from bench.measure.figures import ratio
from bench.measure.text_changes import TextChanges, count_changes
from bench.measure.whole_text import whole_text
from bench.measure.word_errors import word_errors
from bench.recordings.recording import TextRecording
from bench.recordings.text_sets import TEXT_SETS, of_folder
from bench.report.accuracy_table import accuracy_table
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.servers.engines import utterance_engine_for
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from dalston_realtime.protocol.parameters import SessionConfig
from engines.base import UtteranceEngine
from engines.silero import SileroVad
from runtime.settings import Settings
from stages.vad.speech_guard import Vad

THREADS: Final = 1  # CPU threads of a pass.
KEPT_IN: Final = "bench"  # Folder for fetched packages, in the server's data folder.
OWN: Final = "own"  # The name of the set of --audio.


@dataclass(frozen=True, slots=True)
class TextComparison:
    """A recording, its live text and that of the whole, and the word errors of both.

    `errors_live` and `errors_whole` are against the reference text, None where there is none; `differing` are
    the words by which the live text differs from that of the whole.
    """

    set: str
    name: str
    seconds: float
    live: str
    whole: str
    reference_words: int
    errors_live: int | None
    errors_whole: int | None
    whole_words: int
    differing: int
    changes: TextChanges


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    """The sums of a set; word error rates in percent, None where no recording of it has a text."""

    set: str
    recordings: int
    seconds: float
    reference_words: int
    live: float | None
    whole: float | None
    differing: float | None
    changes: TextChanges


def measure(request: BenchRequest, only: Sequence[str] | None, report: Path | None = None) -> int:
    """Play all sets, or the folder of the user, and print the table; returns the exit code.

    Raises:
        DalstonError: there is no such engine or set, or it can't be fetched.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    names = _set_names(request, only)
    engine = utterance_engine_for(request.server_settings.get("models"), request.model, THREADS)
    console, found = Console(stderr=True), list[TextComparison]()
    settings = request.to_settings() | {"sets": names}
    result_file = ResultFile("accuracy", settings, found, conditions())
    try:
        for name in names:
            with console.status(f"reading the set {name}"):
                recordings = _recordings(name, request)
            for recording in recordings:
                with console.status(f"{name}: {recording.name}"):
                    found.append(_compare(name, recording, engine, request))
            replace(result_file, answer=rows(found)).save(request.out)
    finally:  # Also after Ctrl-C or an error, what was measured is shown.
        if found:
            Console().print(accuracy_table(asdict(row) for row in rows(found)))
    announce_result(request.out, report)
    return ExitCode.OK


def _set_names(request: BenchRequest, only: Sequence[str] | None) -> list[str]:
    if unknown := [name for name in only or () if name not in TEXT_SETS]:
        raise UsageError(f"--only {unknown[0]!r} is none of {', '.join(TEXT_SETS)}")
    if request.audio is not None:
        return [*(only or ()), OWN]
    return [*(only or TEXT_SETS)]


def _recordings(name: str, request: BenchRequest) -> Sequence[TextRecording]:
    if name == OWN and request.audio is not None:
        return of_folder(request.audio)
    return TEXT_SETS[name](Settings().data_dir / KEPT_IN)


def _compare(
    name: str, recording: TextRecording, engine: UtteranceEngine, request: BenchRequest
) -> TextComparison:
    texts = live_texts(recording.pcm, SileroVad(), engine, request)
    live, whole = texts[-1] if texts else "", whole_text(engine, recording.pcm)
    differing, whole_words = word_errors(whole, live)
    errors_live = errors_whole = None
    words = 0
    if recording.text is not None:
        errors_live, words = word_errors(recording.text, live)
        errors_whole, _ = word_errors(recording.text, whole)
    return TextComparison(
        name,
        recording.name,
        round(recording.seconds, 2),
        live,
        whole,
        words,
        errors_live,
        errors_whole,
        whole_words,
        differing,
        count_changes(texts),
    )


def live_texts(pcm: bytes, vad: Vad, engine: UtteranceEngine, request: BenchRequest) -> list[str]:
    """What a client displays after each event: the finals and the partial behind them."""
    silence = request.min_silence_ms or SessionConfig().min_silence_ms
    config = SessionConfig(model=engine.info.variant, min_silence_ms=silence)
    times = PassTimes(draw=random.Random(request.seed))  # noqa: S311 - no secret
    session = SessionReplay(vad, engine, config, times)
    session.play(pcm)
    session.play_silence(TAIL_S)
    session.end()
    display = TextDisplay()
    for timed in session.events:
        display.show_event(timed.event, timed.at, None)
    return [each.text for each in display.history]


def rows(found: Iterable[TextComparison]) -> list[AccuracyRow]:
    """A row for each set."""
    compared = list(found)
    names = dict.fromkeys(each.set for each in compared)
    return [_row(name, [each for each in compared if each.set == name]) for name in names]


def _row(name: str, found: Sequence[TextComparison]) -> AccuracyRow:
    words = sum(each.reference_words for each in found)
    return AccuracyRow(
        name,
        len(found),
        round(sum(each.seconds for each in found), 1),
        words,
        ratio(sum(each.errors_live or 0 for each in found), words, 100),
        ratio(sum(each.errors_whole or 0 for each in found), words, 100),
        ratio(sum(each.differing for each in found), sum(each.whole_words for each in found), 100),
        sum((each.changes for each in found), TextChanges()),
    )
