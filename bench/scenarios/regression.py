"""The tree against a git revision, in turns on the same machine: ratios with their spread.

Both play the same recordings in the same round, in an order that changes: what slows the machine down for a
while slows both. No verdict for a pipeline: a person reads it.
"""

import random
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.measure.level import Level
from bench.report.result_file import Document, conditions, revision
from bench.report.table import COMPARED, by, name_of
from bench.request import BenchRequest
from bench.scenarios.run import Plan, progress
from bench.servers.server import given_settings, own_server
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from dalston_realtime.client.errors import UsageError
from runtime.local_server import ROOT

CLEAR: Final = 0.05  # beyond which all rounds must be before a difference is called clear
ENOUGH: Final = 3  # rounds before anything is called better or worse


@dataclass(frozen=True, slots=True)
class Round:
    """The same recordings through both."""

    tree: Level
    revision: Level


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of the tree by that of the revision, over the rounds."""

    figure: str
    median: float
    least: float
    most: float

    @property
    def clear(self) -> bool:
        """Whether all rounds say the same."""
        return self.most < 1 - CLEAR or self.least > 1 + CLEAR


def ratios(rounds: Sequence[Round]) -> list[Ratio]:
    """Of every figure that both have, each round by itself and then the median of them."""
    found = []
    for name in COMPARED:
        pairs = [(getattr(r.tree.figures, name), getattr(r.revision.figures, name)) for r in rounds]
        values = [ratio for new, old in pairs if (ratio := by(new, old)) is not None]
        if values:
            found.append(Ratio(name, statistics.median(values), min(values), max(values)))
    return found


@contextmanager
def worktree(rev: str) -> Iterator[Path]:
    """The files of a revision in a folder that is gone afterwards.

    Raises:
        UsageError: git has no such revision, or this is no repository.
    """
    with tempfile.TemporaryDirectory(prefix="dalston-guard-") as folder:
        path = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(path), f"{rev}^{{commit}}")
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    try:
        subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    except FileNotFoundError:
        raise UsageError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        raise UsageError(f"git {arguments[0]}: {last[0]}") from None


def measure(request: BenchRequest, rev: str, sessions: int, count: int) -> int:
    """Play `count` rounds and print the ratios; the exit code.

    Raises:
        DalstonError: no such revision, or a server that can't be had.
    """
    console, rounds, load = Console(stderr=True), list[Round](), request.load()
    settings = request.settings() | {"revision": rev, "sessions": sessions, "rounds": count}
    settings["environment"] = given_settings()
    order = random.Random(request.seed)  # noqa: S311 - no secret

    def play(root: Path, what: str, seed: int) -> Level:
        with own_server(sessions, request.chosen, root) as running:
            plan = Plan.for_server(running, request.target(), replace(load, seed=seed))
            plan.warm_up()
            with progress(console, what, plan.load, sessions) as advance:
                level = plan.measure(sessions, advance)
        if level.interrupted:
            raise KeyboardInterrupt
        return level

    interrupted = False
    with worktree(rev) as other:
        settings["revision"] = f"{rev} ({revision(other)})"
        document = Document("guard", settings, rounds, conditions())
        try:
            for number in range(1, count + 1):
                sides = {"tree": ROOT, "revision": other}
                levels = {
                    side: play(sides[side], f"round {number}: {side}", request.seed + number)
                    for side in order.sample(list(sides), 2)
                }
                rounds.append(Round(**levels))
                document.save(request.out)
        except KeyboardInterrupt:
            interrupted = True
    if rounds:
        answer = ratios(rounds)
        replace(document, answer=answer).save(request.out)
        Console().print(table(answer, rev, len(rounds)))
        print(f"The whole result is in {request.out}.")
    return ExitCode.INTERRUPTED if interrupted else ExitCode.OK


def table(found: Sequence[Ratio], rev: str, rounds: int) -> Table:
    """A row for each figure; what all rounds agree on stands out."""
    rows = Table(
        title=f"The tree by {rev}, {counted(rounds, 'round')}; less is better",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    rows.add_column("Figure")
    for name in ("Median", "Least", "Most"):
        rows.add_column(name, justify="right")
    rows.add_column("")
    for each in found:
        clear = each.clear and rounds >= ENOUGH
        style = "" if not clear else "green" if each.median < 1 else "yellow"
        says = "" if not clear else "better" if each.median < 1 else "worse"
        values = [Text(f"×{value:.2f}", style=style) for value in (each.median, each.least, each.most)]
        rows.add_row(name_of(each.figure), *values, Text(says, style=style))
    return rows
