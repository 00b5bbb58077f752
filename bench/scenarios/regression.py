"""Compares the working tree with a git revision on the same machine, as ratios with their spread.

In each round both play the same recordings, in an order that changes from round to round, so that what slows
the machine down for a while slows both. There is no verdict for a pipeline: a person reads the table.
"""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.measure.load_level import LoadLevel
from bench.report.result_file import ResultFile, conditions, revision
from bench.report.tables import COMPARED, figure_name, figure_ratio
from bench.request import BenchRequest
from bench.scenarios.collaborators import REAL, Collaborators
from bench.scenarios.measurement_plan import measure_on_server
from bench.servers.measured_server import inherited_settings
from dalston_realtime.cli.display.phrases import counted
from dalston_realtime.cli.exits import ExitCode
from runtime.local_server import ROOT

CLEAR: Final = 0.05  # Distance from 1 beyond which the ratios of all rounds must be; smaller ones are noise.
MIN_ROUNDS: Final = 3  # Rounds before a figure is called better or worse; two may agree by chance.


@dataclass(frozen=True, slots=True)
class ComparisonRound:
    """What the same recordings gave on a server of the tree, and on one of the revision."""

    tree: LoadLevel
    revision: LoadLevel


@dataclass(frozen=True, slots=True)
class FigureRatio:
    """One figure of the tree divided by that of the revision, over the rounds."""

    figure: str
    median: float
    least: float
    most: float

    @property
    def clear(self) -> bool:
        """Whether all rounds agree on better or worse."""
        return self.most < 1 - CLEAR or self.least > 1 + CLEAR


def ratios(rounds: Sequence[ComparisonRound]) -> list[FigureRatio]:
    """The ratios of all figures that both sides have, computed in each round."""
    found = []
    for name in COMPARED:
        pairs = [(getattr(r.tree.figures, name), getattr(r.revision.figures, name)) for r in rounds]
        values = [ratio for new, old in pairs if (ratio := figure_ratio(new, old)) is not None]
        if values:
            found.append(FigureRatio(name, statistics.median(values), min(values), max(values)))
    return found


def measure(
    request: BenchRequest, rev: str, sessions: int, rounds: int, collaborators: Collaborators = REAL
) -> int:
    """Play so many rounds and print the ratios; returns the exit code.

    Raises:
        DalstonError: there is no such revision, or a server does not start.
    """
    console, done, load = Console(stderr=True), list[ComparisonRound](), collaborators.load_plan(request)
    settings = request.to_settings() | {"revision": rev, "sessions": sessions, "rounds": rounds}
    settings["environment"] = inherited_settings()
    order = random.Random(request.seed)  # noqa: S311 - no secret

    def measure_side(root: Path, side: str, number: int) -> LoadLevel:
        with collaborators.start_server(sessions, request.server_settings, root) as server:
            plan = replace(load, seed=request.seed + number)
            label = f"round {number}: {side}"
            level = measure_on_server(server, request.target(), plan, sessions, label, console)
        if level.interrupted:
            raise KeyboardInterrupt
        return level

    interrupted = False
    with collaborators.revision_files(rev) as other:
        settings["revision"] = f"{rev} ({revision(other)})"
        result_file = ResultFile("guard", settings, done, conditions())
        roots = {"tree": ROOT, "revision": other}
        try:
            for number in range(1, rounds + 1):
                sides = order.sample(list(roots), 2)
                levels = {side: measure_side(roots[side], side, number) for side in sides}
                done.append(ComparisonRound(**levels))
                result_file.save(request.out)
        except KeyboardInterrupt:
            interrupted = True
    if done:
        answer = ratios(done)
        replace(result_file, answer=answer).save(request.out)
        Console().print(table(answer, rev, len(done)))
        print(f"The whole result is in {request.out}.")
    return ExitCode.INTERRUPTED if interrupted else ExitCode.OK


def table(found: Sequence[FigureRatio], rev: str, rounds: int) -> Table:
    """A table with a row for each figure; colour marks what all rounds agree on."""
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
        clear = each.clear and rounds >= MIN_ROUNDS
        style = "" if not clear else "green" if each.median < 1 else "yellow"
        verdict = "" if not clear else "better" if each.median < 1 else "worse"
        values = [Text(f"×{value:.2f}", style=style) for value in (each.median, each.least, each.most)]
        rows.add_row(figure_name(each.figure), *values, Text(verdict, style=style))
    return rows
