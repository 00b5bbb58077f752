"""Which fan-out, threads, batch and cadence are best on this machine: a tournament of combinations.

Each round starts a server for every combination that is left, in another order each time, so that a machine
that is slow for a while is not slow for one of them; then the worse half goes.
The defaults stay to the end, to compare with.
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
from bench.measure.load_level import Level
from bench.measure.process_usage import Cost
from bench.report.html_report import tell
from bench.report.result_file import Document, conditions
from bench.request import BenchRequest
from bench.scenarios.measurement_plan import Plan, progress
from bench.servers.measured_server import given_settings, own_server
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from runtime.settings import PREFIX

Settings: TypeAlias = Mapping[str, str]

MAX_THREADS: Final = 4  # of one forward pass; more bring nothing for models of this size
MAX_ASR: Final = 8
INTERVALS: Final = (200, 400)  # ms of new audio for a partial
LAST: Final = 2  # combinations beside the defaults that are left at the end
CAPTION: Final = "Latencies in s. Cores: of the server, for each session."
BETTER: Final = 0.95  # of the defaults' p95: what is nearer than that is noise


@dataclass(slots=True)
class Candidate:
    """A combination, and the levels that were measured with it."""

    settings: Settings
    default: bool = False
    levels: list[Level] = field(default_factory=list)

    @property
    def figures(self) -> Figures:
        """Over all of its rounds together."""
        scores = [score for level in self.levels for score in level.scores]
        seconds = sum(score.connected for score in scores)
        shares = [level.figures.cores_per_stream or 0.0 for level in self.levels]
        cpu = seconds * sum(shares) / max(1, len(shares))
        sessions = self.levels[0].sessions if self.levels else 0
        return summarize(sessions, scores, Cost(seconds, cpu, None, None, 0.0, 0.0))

    @property
    def rank(self) -> tuple[float, float]:
        """Less is better: what failed, then the slow finals and the usual ones together."""
        found = self.figures
        if found.final_p95 is None or found.final_p50 is None:
            return 1.0, 0.0
        return found.failed / found.recordings, found.final_p95 + found.final_p50

    @property
    def name(self) -> str:
        """What it is called in a table."""
        if self.default:
            return "defaults"
        chosen = self.settings
        threads, batch = f"threads={chosen['asr_threads']}", f"batch={chosen['max_batch']}"
        return f"{chosen['fanout']}, {threads}, {batch}, partials={chosen['partial_interval_ms']}ms"

    @property
    def lines(self) -> str:
        """What to put into `.env`."""
        return "\n".join(f"{PREFIX}{name.upper()}={value}" for name, value in self.settings.items())


def combinations(cores: int, sessions: int, limit: int, seed: int) -> list[Candidate]:
    """The defaults, and combinations that make sense on so many cores; a sample where there are too many."""
    counts = [2**k for k in range(8) if 2**k <= min(MAX_ASR, cores, sessions)]
    threads = [t for t in range(1, MAX_THREADS + 1) if t <= cores]
    batches = sorted({4, min(8, max(2, sessions))})
    found = [
        Candidate(
            {"fanout": f"asr={p}", "asr_threads": str(t), "max_batch": str(b), "partial_interval_ms": str(i)}
        )
        for p, t, b, i in product(counts, threads, batches, INTERVALS)
        if p * t <= cores
    ]
    if len(found) >= limit:
        found = random.Random(seed).sample(found, limit - 1)  # noqa: S311 - no secret
    return [Candidate({}, default=True), *found]


def tournament(
    candidates: Sequence[Candidate], play: Callable[[Candidate, int], None], seed: int
) -> list[Candidate]:
    """Rounds until few are left, all of whose rounds were interleaved; the best first."""
    order, left, number = random.Random(seed), list(candidates), 1  # noqa: S311 - no secret
    while True:
        for candidate in order.sample(left, len(left)):
            play(candidate, number)
        defaults = [candidate for candidate in left if candidate.default]
        others = sorted((c for c in left if not c.default), key=lambda c: c.rank)
        if len(others) <= LAST:
            return sorted(left, key=lambda c: c.rank)
        left = defaults + others[: max(LAST, len(others) // 2)]
        number += 1


def verdict(best: Candidate, default: Candidate) -> str:
    """The answer: lines for `.env`, or that there is nothing to set."""
    before, after = default.figures.final_p95, best.figures.final_p95
    if best.default or not before or after is None or after > BETTER * before:
        return "The defaults are as good as anything that was tried: nothing to set."
    return f"p95 of the time to final is {after / before:.2f} of the defaults'. Into .env:\n\n{best.lines}"


def measure(request: BenchRequest, sessions: int, limit: int, report: Path | None = None) -> int:
    """Play the tournament and print the best; the exit code.

    Raises:
        DalstonError: a bad file, or a server that can't be had.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    if request.url is not None:
        raise UsageError("a server that runs has its fan-out already; this needs one of its own")
    console, load, known = Console(stderr=True), request.load(), conditions()
    candidates = combinations(known["cores"], sessions, limit, request.seed)
    settings = request.settings() | {"sessions": sessions, "environment": given_settings()}

    def play(candidate: Candidate, number: int) -> None:
        what = f"round {number}: {candidate.name}"
        chosen = {**request.chosen, **candidate.settings}
        with own_server(sessions, chosen) as running:
            plan = Plan.for_server(running, request.target(), replace(load, seed=request.seed + number))
            plan.warm_up()
            with progress(console, what, plan.load, sessions) as advance:
                level = plan.measure(sessions, advance)
        if level.scores:
            candidate.levels.append(level)
        Document("fanout", settings, _results(candidates), known).save(request.out)
        if level.interrupted:
            raise KeyboardInterrupt

    try:
        ranking = tournament(candidates, play, request.seed)
    finally:  # whatever ended it: what was measured is shown
        if best_first(candidates):
            Console().print(table(candidates))
    answer = verdict(ranking[0], candidates[0])
    Document("fanout", settings, _results(candidates), known, answer).save(request.out)
    print(answer)
    tell(request.out, report)
    return ExitCode.OK


def _results(candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
    return [
        {
            "name": c.name,
            "settings": dict(c.settings),
            "rounds": len(c.levels),
            "figures": c.figures,
            "levels": c.levels,
        }
        for c in best_first(candidates)
    ]


def best_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that were measured: the ones that went further first, then by rank."""
    return sorted((c for c in candidates if c.levels), key=lambda c: (-len(c.levels), c.rank))


def table(candidates: Sequence[Candidate]) -> Table:
    """All combinations, the best first."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=CAPTION, caption_justify="left")
    found.add_column("Combination")
    for name in ("Rounds", "Failed", "Final p50", "p95", "Word p50", "Cores"):
        found.add_column(name, justify="right", no_wrap=True)
    for candidate in best_first(candidates):
        row = candidate.figures
        figures = (row.final_p50, row.final_p95, row.word_p50, row.cores_per_stream)
        cells = ("–" if value is None else f"{value:z.3f}" for value in figures)
        found.add_row(candidate.name, str(len(candidate.levels)), str(row.failed), *cells)
    return found
