"""Measures how well the server's diarizer finds who speaks when, and what it costs."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.measure.diarization_error import DiarizationErrors, diarization_errors
from bench.recordings.spoken_turns import TurnRecording, meetings_with_turns, scene
from bench.report.plain_table import plain_table
from bench.report.result_file import ResultFile, conditions
from dalston_realtime.cli.exits import ExitCode
from engines.diarization.base import Diarizer
from engines.diarization.catalog import load_diarizer
from runtime.settings import Settings

KEPT_IN: Final = "bench"  # Folder for fetched packages, in the server's data folder.
COLUMNS: Final = (
    "Recording",
    "DER %",
    "Missed",
    "Invented",
    "Confused",
    "Speech s",
    "Found",
    "Of",
    "No collar",
)
CAPTION: Final = (
    "DER: missed, invented and confused speech, in percent of the speech, without 0.25 s before and behind"
    " each edge of a turn, overlapping speech counted; in rows of several recordings its mean, and of sums."
    " Odd and even: every second meeting; the thresholds were chosen on the odd ones. Found, of: speakers; in"
    " rows of several recordings, those with at most one too many or too few. No collar: all edges counted."
)


@dataclass(frozen=True, slots=True)
class DiarizedRecording:
    """A recording, and what was found in it."""

    name: str
    seconds: float
    errors: DiarizationErrors
    strict: DiarizationErrors
    speakers: int
    found: int
    cpu_seconds: float


def measure(threads: int, out: Path, *, known: bool = False) -> int:
    """Diarize all recordings and print the table; with `known` the diarizer is told the number of speakers.

    Raises:
        DalstonError: the recordings can't be fetched, or the diarizer can't be loaded.
    """
    diarizer, console, found = load_diarizer(threads=threads), Console(stderr=True), list[DiarizedRecording]()
    result_file = ResultFile("diarize", {"threads": threads, "known": known}, found, conditions())
    for recording in [*meetings_with_turns(Settings().data_dir / KEPT_IN), scene()]:
        with console.status(recording.name):
            found.append(diarize(recording, diarizer, recording.speakers if known else None))
    result_file.save(out)
    Console().print(plain_table(COLUMNS, rows(found), CAPTION))
    cost = sum(each.cpu_seconds for each in found) / sum(each.seconds for each in found)
    print(f"An hour of audio takes {60 * cost:.1f} minutes of one core. The whole result is in {out}.")
    return ExitCode.OK


def diarize(recording: TurnRecording, diarizer: Diarizer, speakers: int | None) -> DiarizedRecording:
    """What a diarizer finds in a recording."""
    began = time.process_time()
    found = diarizer.diarize(recording.audio, lambda _percent: None, speakers)
    took = time.process_time() - began
    turns = [(turn.start, turn.end, turn.speaker) for turn in found.turns]
    return DiarizedRecording(
        recording.name,
        round(recording.seconds, 2),
        diarization_errors(recording.turns, turns, recording.seconds),
        diarization_errors(recording.turns, turns, recording.seconds, collar=0.0),
        recording.speakers,
        len(found.voices),
        round(took, 2),
    )


def rows(found: Sequence[DiarizedRecording]) -> list[list[str]]:
    """A row for each recording, and for the meetings together; the last recording is no meeting."""
    meetings = found[:-1]
    groups = {"odd": meetings[::2], "even": meetings[1::2], "all meetings": meetings}
    return [*map(_row, found), *(_sum(name, group) for name, group in groups.items() if group)]


def _row(each: DiarizedRecording) -> list[str]:
    cells = [f"{each.errors.rate:.1f}", *_parts(each.errors), str(each.found), str(each.speakers)]
    return [each.name, *cells, f"{each.strict.rate:.1f}"]


def _sum(name: str, group: Sequence[DiarizedRecording]) -> list[str]:
    near = sum(abs(each.found - each.speakers) <= 1 for each in group)
    errors, strict = total(each.errors for each in group), total(each.strict for each in group)
    mean = sum(each.errors.rate for each in group) / len(group)
    cells = [f"{mean:.1f} ({errors.rate:.1f})", *_parts(errors), str(near), str(len(group))]
    return [name, *cells, f"{strict.rate:.1f}"]


def _parts(errors: DiarizationErrors) -> list[str]:
    return [f"{part:.1f}" for part in (errors.missed, errors.invented, errors.confused, errors.speech)]


def total(errors: Iterable[DiarizationErrors]) -> DiarizationErrors:
    """The sums."""
    each = [asdict(one) for one in errors]
    return DiarizationErrors(**{name: sum(one[name] for one in each) for name in each[0]})
