"""Finds the fan-out, threads, batch and interval of partials that suit this machine, by successive halving.

Each round measures every combination of settings that is left, in another order each time, so that a machine
that is slow for a while is not slow for one of them; then the worse half is dropped. The defaults stay to the
end, to compare with.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Final, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure.figures import Figures, summarize
from bench.measure.load_level import LoadLevel
from bench.measure.process_usage import ProcessUsage
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from bench.scenarios.measurement_plan import measure_on_server
from bench.servers.measured_server import inherited_settings
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from runtime.settings import PREFIX

Settings: TypeAlias = Mapping[str, str]

MAX_THREADS: Final = 4  # Threads of one forward pass; more bring nothing for models of this size.
MAX_ASR: Final = 8  # ASR processes; more do not help the number of sessions that one machine plays.
INTERVALS: Final = (200, 400)  # Milliseconds of new audio for a partial.
FINALISTS: Final = 2  # Combinations beside the defaults that are left at the end.
BETTER: Final = 0.95  # Of the defaults' p95; what is nearer to the defaults than that is noise.
CAPTION: Final = "Latencies in s. Cores: of the server, for each session."


@dataclass(slots=True)
class SettingsCombination:
    """A combination of settings, and the levels that were measured with it."""

    settings: Settings
    default: bool = False
    levels: list[LoadLevel] = field(default_factory=list)

    @property
    def figures(self) -> Figures:
        """The figures of all rounds together."""
        scores = [score for level in self.levels for score in level.scores]
        seconds = sum(score.connected for score in scores)
        shares = [level.figures.cores_per_stream or 0.0 for level in self.levels]
        cpu = seconds * sum(shares) / max(1, len(shares))
        sessions = self.levels[0].sessions if self.levels else 0
        return summarize(sessions, scores, ProcessUsage(seconds, cpu, None, None, 0.0, 0.0))

    @property
    def rank(self) -> tuple[float, float]:
        """A key by which the best is first: the share that failed, then p95 and p50 of the time to final."""
        found = self.figures
        if found.final_p95 is None or found.final_p50 is None:
            return 1.0, 0.0
        return found.failed / found.recordings, found.final_p95 + found.final_p50

    @property
    def name(self) -> str:
        """The name of the combination in a table."""
        if self.default:
            return "defaults"
        chosen = self.settings
        threads, batch = f"threads={chosen['asr_threads']}", f"batch={chosen['max_batch']}"
        return f"{chosen['fanout']}, {threads}, {batch}, partials={chosen['partial_interval_ms']}ms"

    @property
    def lines(self) -> str:
        """The lines for `.env`."""
        return "\n".join(f"{PREFIX}{name.upper()}={value}" for name, value in self.settings.items())


def possible_combinations(cores: int, sessions: int, limit: int, seed: int) -> list[SettingsCombination]:
    """The defaults, and combinations that fit on so many cores; a sample of more than `limit`."""
    counts = [2**k for k in range(8) if 2**k <= min(MAX_ASR, cores, sessions)]
    threads = [t for t in range(1, MAX_THREADS + 1) if t <= cores]
    batches = sorted({4, min(8, max(2, sessions))})
    found = [
        SettingsCombination(
            {"fanout": f"asr={p}", "asr_threads": str(t), "max_batch": str(b), "partial_interval_ms": str(i)}
        )
        for p, t, b, i in product(counts, threads, batches, INTERVALS)
        if p * t <= cores
    ]
    if len(found) >= limit:
        found = random.Random(seed).sample(found, limit - 1)  # noqa: S311 - no secret
    return [SettingsCombination({}, default=True), *found]


def successive_halving(
    combinations: Sequence[SettingsCombination],
    measure_one: Callable[[SettingsCombination, int], None],
    seed: int,
) -> list[SettingsCombination]:
    """Measure in rounds, and drop the worse half after each; returns the last ones, the best first."""
    order, left, number = random.Random(seed), list(combinations), 1  # noqa: S311 - no secret
    while True:
        for combination in order.sample(left, len(left)):
            measure_one(combination, number)
        defaults = [combination for combination in left if combination.default]
        others = sorted((c for c in left if not c.default), key=lambda c: c.rank)
        if len(others) <= FINALISTS:
            return sorted(left, key=lambda c: c.rank)
        left = defaults + others[: max(FINALISTS, len(others) // 2)]
        number += 1


def verdict(best: SettingsCombination, default: SettingsCombination) -> str:
    """The answer: lines for `.env`, or that there is nothing to set."""
    before, after = default.figures.final_p95, best.figures.final_p95
    if best.default or not before or after is None or after > BETTER * before:
        return "The defaults are as good as anything that was tried: nothing to set."
    return f"p95 of the time to final is {after / before:.2f} of the defaults'. Into .env:\n\n{best.lines}"


def measure(
    request: BenchRequest,
    sessions: int,
    limit: int,
    report: Path | None = None,
    collaborators: Collaborators = REAL,
) -> int:
    """Find the best combination and print it; returns the exit code.

    Raises:
        DalstonError: a bad file, or a server does not start.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    if request.url is not None:
        raise UsageError("a server that runs has its fan-out already; this needs one of its own")
    console, load, machine = Console(stderr=True), collaborators.load_plan(request), conditions()
    combinations = possible_combinations(machine["cores"], sessions, limit, request.seed)
    settings = request.to_settings() | {"sessions": sessions, "environment": inherited_settings()}

    def measure_one(combination: SettingsCombination, number: int) -> None:
        label = f"round {number}: {combination.name}"
        chosen = {**request.server_settings, **combination.settings}
        plan = replace(load, seed=request.seed + number)
        with collaborators.start_server(sessions, chosen) as server:
            level = measure_on_server(server, request.target(), plan, sessions, label, console)
        if level.scores:
            combination.levels.append(level)
        ResultFile("fanout", settings, _results(combinations), machine).save(request.out)
        if level.interrupted:
            raise KeyboardInterrupt

    try:
        ranking = successive_halving(combinations, measure_one, request.seed)
    finally:  # Also after Ctrl-C or an error, what was measured is shown.
        if best_first(combinations):
            Console().print(table(combinations))
    answer = verdict(ranking[0], combinations[0])
    ResultFile("fanout", settings, _results(combinations), machine, answer).save(request.out)
    print(answer)
    announce_result(request.out, report)
    return ExitCode.OK


def _results(combinations: Sequence[SettingsCombination]) -> list[dict[str, Any]]:
    return [
        {
            "name": c.name,
            "settings": dict(c.settings),
            "rounds": len(c.levels),
            "figures": c.figures,
            "levels": c.levels,
        }
        for c in best_first(combinations)
    ]


def best_first(combinations: Sequence[SettingsCombination]) -> list[SettingsCombination]:
    """The combinations that were measured: those with more rounds first, then by rank."""
    return sorted((c for c in combinations if c.levels), key=lambda c: (-len(c.levels), c.rank))


def table(combinations: Sequence[SettingsCombination]) -> Table:
    """A table of the combinations that were measured, the best first."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION, caption_justify="left")
    found.add_column("Combination")
    for name in ("Rounds", "Failed", "Final p50", "p95", "Word p50", "Cores"):
        found.add_column(name, justify="right", no_wrap=True)
    for combination in best_first(combinations):
        row = combination.figures
        figures = (row.final_p50, row.final_p95, row.word_p50, row.cores_per_stream)
        cells = ("–" if value is None else f"{value:z.3f}" for value in figures)
        found.add_row(combination.name, str(len(combination.levels)), str(row.failed), *cells)
    return found
