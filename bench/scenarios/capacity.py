"""How many sessions a server holds: a search, since each try takes a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.measure.figures import Figures
from bench.measure.level import Level
from bench.report.report import tell
from bench.report.result_file import Document, conditions
from bench.report.table import figures_tables
from bench.request import BenchRequest
from bench.scenarios.run import Plan, progress
from bench.servers.server import server
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode

MAX_GROWTH: Final = 0.02  # s per s; a server that keeps up has none, and 60 s of words measure it so well


@dataclass(frozen=True, slots=True)
class Bound:
    """What counts as holding so many sessions; `final_p95` in seconds."""

    final_p95: float

    def broken_by(self, figures: Figures) -> str | None:
        """Why these figures are beyond it; None where they are within."""
        if figures.failed:
            return f"{figures.failed} of {figures.recordings} recordings failed"
        if figures.final_p95 is None:
            return "nothing was measured"
        if figures.final_p95 > self.final_p95:
            return f"p95 of the time to final is {figures.final_p95:.2f} s"
        if figures.lag_growth is not None and figures.lag_growth > MAX_GROWTH:
            return f"the lag grows by {60 * figures.lag_growth:.1f} s per min"
        return None


def search(holds: Callable[[int], bool], most: int) -> int:
    """The largest number from 1 to `most` that holds, where each below one that holds does; 0 if none.

    Doubles until one does not hold, then halves what is between.
    """
    good, bad, at = 0, most + 1, 1
    while bad - good > 1:
        if holds(at):
            good = at
        else:
            bad = at
        at = min(2 * good, most) if bad > most else (good + bad) // 2
    return good


class Capacity:
    """The tries of one search. A number that does not hold is tried twice: machines are noisy."""

    def __init__(self, plan: Plan, bound: Bound, console: Console, keep: Callable[[], None]) -> None:
        self.levels: list[Level] = []
        self.why: dict[int, str] = {}
        self._plan, self._bound, self._console, self._keep = plan, bound, console, keep

    def holds(self, sessions: int) -> bool:
        """Try a number of sessions.

        Raises:
            ClientError: the server is gone; what was measured is kept.
            KeyboardInterrupt: Ctrl-C; the same.
        """
        return any(self._try(sessions, again) for again in (False, True))

    def _try(self, sessions: int, again: bool) -> bool:
        what = f"{counted(sessions, 'session')}{', again' * again}"
        with progress(self._console, what, self._plan.load, sessions) as advance:
            level = self._plan.measure(sessions, advance)
        self.levels.append(level)
        self._keep()
        if level.interrupted:
            raise KeyboardInterrupt
        if level.broken:
            self._plan.warm_up()  # a server that is gone holds nothing, which is not its capacity
        why = self._bound.broken_by(level.figures)
        self._console.print(f"{what}: {why or 'held'}", highlight=False)
        if why is not None:
            self.why[sessions] = why
        return why is None


def measure(request: BenchRequest, bound: float, most: int, report: Path | None = None) -> int:
    """Search, and print the answer with the figures behind it; the exit code.

    Raises:
        DalstonError: a bad file, or a server that can't be had.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    console, answer, settings = Console(stderr=True), dict[str, Any](), request.settings()
    settings |= {"bound": bound, "most": most}
    load, known = request.load(), conditions()
    with server(request.url, request.pid, most, request.chosen) as running:
        settings["server"] = dict(running.settings)
        plan = Plan.for_server(running, request.target(), load)

        def keep() -> None:
            Document("capacity", settings, tries.levels, known, answer).save(request.out)

        tries = Capacity(plan, Bound(bound), console, keep)
        plan.warm_up()
        try:
            found = search(tries.holds, most)
        finally:  # whatever ended it: what was measured is shown
            if tries.levels:
                screen = Console()
                screen.print(*figures_tables(latest(tries.levels), screen.width), sep="")
        why = tries.why.get(found + 1)
        answer |= {"sessions": found, "bound_of_next": why, "verdict": verdict(found, why, bound, most)}
        keep()
    print(answer["verdict"])
    tell(request.out, report)
    return ExitCode.OK


def latest(levels: Sequence[Level]) -> list[Level]:
    """Of each number of sessions the level that was measured last, in order."""
    by_sessions = {level.sessions: level for level in levels}
    return [by_sessions[sessions] for sessions in sorted(by_sessions)]


def verdict(found: int, why: str | None, bound: float, most: int) -> str:
    """The answer in a sentence."""
    within = f"p95 of the time to final under {bound:g} s, no growing lag"
    if found == 0:
        return f"Not even one session is held ({within}): {why}."
    held = f"{counted(found, 'session')} held ({within})"
    return f"{held}; more than {most} were not tried." if why is None else f"{held}; at {found + 1}: {why}."
