"""Measures the batch pipeline: word errors, names, long recordings, and jobs beside a live session."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from rich.console import Console

from bench.measure.figures import ratio
from bench.recordings.conversation import conversation
from bench.recordings.long_audio import long_audio
from bench.report.plain_table import plain_table
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.scenarios import enhanced_beside, enhanced_names, enhanced_words
from bench.scenarios.enhanced_words import enhancer_settings
from bench.servers.job_runs import JobPlace, JobRun
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from runtime.settings import Settings

KEPT_IN: Final = "bench"  # Folder for fetched packages, in the server's data folder.
MINUTES: Final = (10.0, 60.0)  # Lengths of recordings: memory that is the same at both does not grow.
TALK_S: Final = 600.0  # Seconds of the recording of each job beside a live session.
LENGTH_COLUMNS: Final = ("Audio min", "Minutes", "CPU min", "Memory MB", "Longest wait s", "Load", "Status")
LENGTH_CAPTION: Final = (
    "Memory: of the process of the job, at most. Longest wait: in which the progress that clients read stood"
    " still, the start of the process included. Load: average of the last minute, before and behind."
)
NAMES_CAPTION: Final = (
    "Named: the name that most of the turn's time has. Errors: word errors of the turn, whoever they are"
    " given to."
)


@dataclass(frozen=True, slots=True)
class EnhancePlan:
    """Which parts to measure, the lengths of recordings in minutes, and the jobs and their CPU threads."""

    parts: tuple[str, ...]
    minutes: tuple[float, ...]
    jobs: int
    threads: int

    @classmethod
    def of(
        cls, only: Sequence[str] | None, minutes: Sequence[float] | None, jobs: int, threads: int
    ) -> "EnhancePlan":
        """The plan of the options of the command.

        Raises:
            UsageError: there is no such part.
        """
        if unknown := [name for name in only or () if name not in PARTS]:
            raise UsageError(f"--only {unknown[0]!r} is none of {', '.join(PARTS)}")
        return cls(tuple(only or PARTS), tuple(minutes or MINUTES), jobs, threads)


@dataclass(frozen=True, slots=True)
class LongRun:
    """What a long recording took, and the load average of the machine before and behind."""

    run: JobRun
    load: tuple[float, float]


def measure(request: BenchRequest, plan: EnhancePlan) -> int:
    """Measure the parts of the plan and print a table of each; returns the exit code.

    Raises:
        DalstonError: a package can't be fetched, or a model or a server does not start.
    """
    found: list[Any] = []
    settings = request.to_settings() | asdict(plan)
    result_file = ResultFile("enhance", settings, found, conditions())
    for name in plan.parts:
        found.append({"part": name, "found": PARTS[name](request, plan, Settings().data_dir / KEPT_IN)})
        result_file.save(request.out)
    print(f"The whole result is in {request.out}.")
    return ExitCode.OK


def _words(request: BenchRequest, _plan: EnhancePlan, folder: Path) -> Any:
    found = []
    with Console(stderr=True).status("") as status:
        for each in enhanced_words.compare_words(request, folder):
            status.update(f"{each.set}: {each.name}")
            found.append(each)
    Console().print(plain_table(enhanced_words.COLUMNS, enhanced_words.word_rows(found), ""))
    return found


def _names(request: BenchRequest, _plan: EnhancePlan, folder: Path) -> Any:
    found = enhanced_names.name_speakers(conversation(folder), enhancer_settings(request))
    Console().print(plain_table(enhanced_names.COLUMNS, enhanced_names.name_rows(found), NAMES_CAPTION))
    right = sum(turn.right for turn in found.turns)
    rate = ratio(found.speaker_errors, found.words, 100)
    print(f"{right} of {len(found.turns)} turns have the right name, or none; cpWER {rate} %; {found.scores}")
    return found


def _length(request: BenchRequest, plan: EnhancePlan, folder: Path) -> Any:
    console, found = Console(stderr=True), []
    for minutes in plan.minutes:
        with console.status(f"{minutes:g} minutes of audio"):
            found.append(run_long(long_audio(folder, 60 * minutes), plan.threads, request.server_settings))
    Console().print(plain_table(LENGTH_COLUMNS, [length_row(each) for each in found], LENGTH_CAPTION))
    return found


def run_long(pcm: bytes, threads: int, settings: Mapping[str, str]) -> LongRun:
    """What a job takes that hears a recording."""
    before = psutil.getloadavg()[0]
    with TemporaryDirectory(prefix="dalston-enhance-") as folder:
        place = JobPlace(Path(folder), threads, settings)
        try:
            run = place.run(pcm)
        finally:
            place.close()
    return LongRun(run, (round(before, 1), round(psutil.getloadavg()[0], 1)))


def length_row(each: LongRun) -> list[str]:
    """A row of the table of long recordings."""
    run = each.run
    minutes = [f"{seconds / 60:.1f}" for seconds in (run.audio_seconds, run.seconds, run.cpu_seconds)]
    load = f"{each.load[0]:g} to {each.load[1]:g}"
    return [*minutes, f"{run.memory / 1e6:.0f}", f"{run.longest_wait:.1f}", load, run.job.status]


def _beside(request: BenchRequest, plan: EnhancePlan, folder: Path) -> Any:
    talk = long_audio(folder, TALK_S)
    found = enhanced_beside.measure_beside(
        request, request.load_plan(), talk, plan.jobs, Console(stderr=True)
    )
    Console().print(plain_table(enhanced_beside.COLUMNS, enhanced_beside.beside_rows(found), ""))
    return found


PARTS: Final[Mapping[str, Callable[[BenchRequest, EnhancePlan, Path], Any]]] = {
    "words": _words,
    "names": _names,
    "length": _length,
    "beside": _beside,
}
"""A function by the name of the part; it takes the folder in which fetched packages are kept."""
