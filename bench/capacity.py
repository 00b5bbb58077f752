"""How many sessions a server holds: a search, since each try takes a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from bench.document import Document, conditions
from bench.figures import Figures
from bench.level import Level
from bench.request import Request
from bench.run import Plan, progress
from bench.server import server
from bench.table import figures_table
from client.commands.exits import ExitCode

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
            KeyboardInterrupt: Ctrl-C; what was measured is kept.
        """
        return any(self._try(sessions, again) for again in (False, True))

    def _try(self, sessions: int, again: bool) -> bool:
        what = f"{sessions} sessions{', again' * again}"
        with progress(self._console, what, self._plan.load, sessions) as advance:
            level = self._plan.measure(sessions, advance)
        self.levels.append(level)
        self._keep()
        if level.interrupted:
            raise KeyboardInterrupt
        why = self._bound.broken_by(level.figures)
        self._console.print(f"{what}: {why or 'held'}", highlight=False)
        if why is not None:
            self.why[sessions] = why
        return why is None


def measure(request: Request, bound: float, most: int) -> int:
    """Search, and print the answer with the figures behind it; the exit code.

    Raises:
        DalstonError: a bad file, or a server that can't be had.
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
            answer["sessions"] = search(tries.holds, most)
        except KeyboardInterrupt:
            _print(tries, None, bound, most)
            return ExitCode.INTERRUPTED
        answer["bound_of_next"] = tries.why.get(answer["sessions"] + 1)
        keep()
    _print(tries, answer["sessions"], bound, most)
    print(f"\nThe whole result is in {request.out}.")
    return ExitCode.OK


def _print(tries: Capacity, found: int | None, bound: float, most: int) -> None:
    latest = {level.sessions: level for level in tries.levels}
    levels: Sequence[Level] = [latest[count] for count in sorted(latest)]
    console = Console()
    console.print(figures_table(levels[-8:]))
    if found is not None:
        console.print(verdict(found, tries.why.get(found + 1), bound, most), highlight=False)


def verdict(found: int, why: str | None, bound: float, most: int) -> str:
    """The answer in a sentence."""
    if found == 0:
        return f"Not even one session is within a time to final of {bound:g} s: {why}."
    within = f"p95 of the time to final under {bound:g} s, no growing lag"
    held = f"{found} session{'s' * (found > 1)} held ({within})"
    return f"{held}; more than {most} were not tried." if why is None else f"{held}; at {found + 1}: {why}."
