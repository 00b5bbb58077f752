"""Searches for the largest number of sessions that a server holds; each try takes a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench.measure.figures import Figures
from bench.measure.load_level import LoadLevel
from bench.report.html_report import announce_result
from bench.report.result_file import ResultFile, conditions
from bench.report.tables import figures_tables
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from bench.scenarios.measurement_plan import MeasurementPlan, progress_bar
from bench.servers.measured_server import measured_server
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode

MAX_GROWTH: Final = 0.02  # Lag growth in s per s: the accuracy with which 60 s of words measure it.


@dataclass(frozen=True, slots=True)
class LatencyBound:
    """The limits within which a server holds a number of sessions; `final_p95` in seconds."""

    final_p95: float

    def violation(self, figures: Figures) -> str | None:
        """Why these figures are beyond the limits; None where they are within."""
        if figures.failed:
            return f"{figures.failed} of {figures.recordings} recordings failed"
        if figures.final_p95 is None:
            return "nothing was measured"
        if figures.final_p95 > self.final_p95:
            return f"p95 of the time to final is {figures.final_p95:.2f} s"
        if figures.lag_growth is not None and figures.lag_growth > MAX_GROWTH:
            return f"the lag grows by {60 * figures.lag_growth:.1f} s per min"
        return None


def search(holds: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` for which `holds` is true, as it is for all smaller ones; 0 if none.

    Doubles the number until one does not hold, then halves the interval.
    """
    good, bad, at = 0, limit + 1, 1
    while bad - good > 1:
        if holds(at):
            good = at
        else:
            bad = at
        at = min(2 * good, limit) if bad > limit else (good + bad) // 2
    return good


class CapacitySearch:
    """The tries of one search; `save` is called after each.

    A number that does not hold is tried twice, because the machine may have been busy.
    """

    def __init__(
        self, plan: MeasurementPlan, bound: LatencyBound, console: Console, save: Callable[[], None]
    ) -> None:
        self.levels: list[LoadLevel] = []
        self.violations: dict[int, str] = {}
        self._plan, self._bound, self._console, self._save = plan, bound, console, save

    def holds(self, sessions: int) -> bool:
        """Whether the server holds so many sessions.

        Raises:
            ClientError: the server is gone; what was measured is kept.
            KeyboardInterrupt: Ctrl-C; the same.
        """
        return any(self._try(sessions, again) for again in (False, True))

    def _try(self, sessions: int, again: bool) -> bool:
        label = f"{counted(sessions, 'session')}{', again' * again}"
        with progress_bar(self._console, label, self._plan.load, sessions) as advance:
            level = self._plan.measure(sessions, advance)
        self.levels.append(level)
        self._save()
        if level.interrupted:
            raise KeyboardInterrupt
        if level.broken:
            self._plan.warm_up()  # Raises where the server is gone: that is not the answer to the search.
        violation = self._bound.violation(level.figures)
        self._console.print(f"{label}: {violation or 'held'}", highlight=False)
        if violation is not None:
            self.violations[sessions] = violation
        return violation is None


def measure(
    request: BenchRequest,
    bound: float,
    limit: int,
    report: Path | None = None,
    collaborators: Collaborators = REAL,
) -> int:
    """Search, and print the answer with its figures; returns the exit code.

    Raises:
        DalstonError: a bad file, or there is no server.
        KeyboardInterrupt: Ctrl-C; what was measured is kept.
    """
    console, answer, settings = Console(stderr=True), dict[str, Any](), request.to_settings()
    settings |= {"bound": bound, "most": limit}
    load, machine = collaborators.load_plan(request), conditions()
    start, chosen = collaborators.start_server, request.server_settings
    with measured_server(request.url, request.pid, limit, chosen, start) as server:
        settings["server"] = dict(server.settings)
        plan = MeasurementPlan.for_server(server, request.target(), load)

        def save() -> None:
            ResultFile("capacity", settings, tries.levels, machine, answer).save(request.out)

        tries = CapacitySearch(plan, LatencyBound(bound), console, save)
        plan.warm_up()
        try:
            found = search(tries.holds, limit)
        finally:  # Also after Ctrl-C or an error, what was measured is shown.
            if tries.levels:
                terminal = Console()
                terminal.print(*figures_tables(latest(tries.levels), terminal.width), sep="")
        why = tries.violations.get(found + 1)
        answer |= {"sessions": found, "bound_of_next": why, "verdict": verdict(found, why, bound, limit)}
        save()
    print(answer["verdict"])
    announce_result(request.out, report)
    return ExitCode.OK


def latest(levels: Sequence[LoadLevel]) -> list[LoadLevel]:
    """For each number of sessions the level that was measured last, in ascending order."""
    by_sessions = {level.sessions: level for level in levels}
    return [by_sessions[sessions] for sessions in sorted(by_sessions)]


def verdict(found: int, why: str | None, bound: float, limit: int) -> str:
    """The answer in a sentence."""
    within = f"p95 of the time to final under {bound:g} s, no growing lag"
    if found == 0:
        return f"Not even one session is held ({within}): {why}."
    held = f"{counted(found, 'session')} held ({within})"
    return f"{held}; more than {limit} were not tried." if why is None else f"{held}; at {found + 1}: {why}."
