"""Draws the charts of load levels as SVG."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dalston_realtime.client.results.latency import TOTAL

LevelData: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[[Axes], bool]
"""A function that draws into axes, and returns False where there was nothing to draw."""

WIDTH: Final = 5.6  # Inches; two charts stand side by side on the page.
HEIGHT: Final = 3.2  # Inches.
INK: Final = "#3a4048"
LINE: Final = "#dfe3e8"
COLORS: Final = (
    "#2b6cb0", "#c05621", "#38a169", "#805ad5", "#d69e2e", "#718096", "#d53f8c", "#319795", "#1a202c",
)  # fmt: skip
LEGEND_COLUMNS: Final = 7  # Names for which a line of the legend has room.
MIN_BIN_S: Final = 5.0  # Seconds of words in a point of the word latency over the run; fewer are noise.
MAX_BINS: Final = 60  # Points of that curve; more can't be told apart.
MIN_MEMORY_S: Final = 60.0  # Seconds of a run; the memory of a shorter one is not worth a chart.
MIN_MEMORY_MB: Final = 50.0  # MB from bottom to top; with less, single pages would look like growth.
STYLE: Final[Any] = {
    "font.size": 9.5,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.ymargin": 0.08,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.hashsalt": "dalston",
}


def level_charts(levels: Sequence[LevelData], bound: float | None = None) -> list[tuple[str, str]]:
    """Titles and SVGs of all charts for which there are figures; `bound` is the limit of p95 in s."""
    last = next((level for level in reversed(levels) if _has_budget(level)), levels[-1])
    where = f"N = {last['sessions']}"
    return draw_charts(
        [
            ("Time to final against sessions", lambda axes: _against_sessions(axes, levels, bound)),
            ("How many finals come within", lambda axes: _cdf_of_finals(axes, levels)),
            ("How many words are shown within", lambda axes: _cdf_of_words(axes, levels)),
            ("Word latency over the run", lambda axes: _latency_over_run(axes, levels)),
            ("CPU against sessions", lambda axes: _cpu(axes, levels)),
            ("Memory of the server over the run", lambda axes: _memory(axes, levels)),
            (f"Where the time of a partial goes, {where}", lambda axes: _budget(axes, last, "partials")),
            (f"Where the time of a final goes, {where}", lambda axes: _budget(axes, last, "finals")),
        ]
    )


def draw_charts(kinds: Sequence[tuple[str, Draw]], height: float = HEIGHT) -> list[tuple[str, str]]:
    """Draw the charts; returns the title and the SVG of each that is not empty."""
    found = []
    for title, draw in kinds:
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=(WIDTH, height), layout="constrained")
            if draw(figure.add_subplot()):
                found.append((title, _svg(figure)))
    return found


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :]


def add_legend(axes: Axes) -> None:
    """Add a legend above the chart, where nothing is drawn."""
    handles, labels = axes.get_legend_handles_labels()
    if "budget" in labels:  # The budget comes first; matplotlib puts lines before bars.
        handles = [handles[at] for at in np.argsort(labels)]
    lines = -(-len(handles) // LEGEND_COLUMNS)
    if handles:
        axes.figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=-(-len(handles) // lines),
            columnspacing=1.0,
            handlelength=1.2,
        )


def _against_sessions(axes: Axes, levels: Sequence[LevelData], bound: float | None) -> bool:
    for name in ("p50", "p95", "p99"):
        points = [(level["sessions"], level["figures"][f"final_{name}"]) for level in levels]
        measured = [(n, value) for n, value in points if value is not None]
        axes.plot([n for n, _ in measured], [value for _, value in measured], marker="o", label=name)
    if bound is not None:
        axes.axhline(bound, color=INK, linewidth=1.0, linestyle="--", label="bound of p95")
    set_sessions_axis(axes, [level["sessions"] for level in levels])
    axes.set_ylabel("s after the end of speech")
    axes.set_ylim(bottom=0)
    add_legend(axes)
    return sum(level["figures"]["final_p50"] is not None for level in levels) > 1


def _cdf_of_finals(axes: Axes, levels: Sequence[LevelData]) -> bool:
    axes.set_ylabel("% of recordings")
    return _cdf(axes, levels, lambda score: [score["time_to_final"]], "s after the end of speech")


def _cdf_of_words(axes: Axes, levels: Sequence[LevelData]) -> bool:
    axes.set_ylabel("% of words")
    return _cdf(axes, levels, lambda score: score["word_latency"], "s after the end of the word")


def _cdf(axes: Axes, levels: Sequence[LevelData], values: Callable[[Any], Sequence[Any]], label: str) -> bool:
    any_values = False
    for level in levels:
        found = sorted(v for score in level["scores"] for v in values(score) if v is not None)
        if found:
            share = 100 * np.arange(1, len(found) + 1) / len(found)
            axes.step([found[0], *found], [0, *share], where="post", label=_name(level))
            any_values = True
    axes.set_xlabel(label)
    axes.locator_params(axis="x", nbins=7)
    axes.set_ylim(0, 102)
    add_legend(axes)
    return any_values


def _latency_over_run(axes: Axes, levels: Sequence[LevelData]) -> bool:
    """The median word latency of every few seconds of the run."""
    longest = max((s["began"] + s["seconds"] for level in levels for s in level["scores"]), default=0.0)
    width, any_words = max(MIN_BIN_S, longest / MAX_BINS), False
    for level in levels:
        bins: dict[int, list[float]] = {}
        for score in level["scores"]:
            for end, delay in zip(score["word_ends"], score["word_latency"], strict=True):
                bins.setdefault(int((score["began"] + end) // width), []).append(delay)
        at = [(number + 0.5) * width for number in sorted(bins)]
        axes.plot(at, [float(np.median(bins[n])) for n in sorted(bins)], label=_name(level))
        any_words = any_words or bool(bins)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("s since the run began")
    axes.set_ylabel("s, median")
    add_legend(axes)
    return any_words


def _cpu(axes: Axes, levels: Sequence[LevelData]) -> bool:
    measured = [level for level in levels if level["figures"]["cores"] is not None]
    sessions = [level["sessions"] for level in measured]
    axes.plot(sessions, [level["figures"]["cores"] for level in measured], marker="o", label="all together")
    per_stream = [level["figures"]["cores_per_stream"] or 0.0 for level in measured]
    axes.plot(sessions, per_stream, marker="o", label="for each session")
    set_sessions_axis(axes, sessions)
    axes.set_ylabel("cores of the server")
    axes.set_ylim(bottom=0)
    add_legend(axes)
    return len(measured) > 1


def _memory(axes: Axes, levels: Sequence[LevelData]) -> bool:
    measured = [level for level in levels if _long_enough(level.get("memory", []))]
    for level in measured:
        axes.plot(
            [at / 60 for at, _ in level["memory"]], [mb for _, mb in level["memory"]], label=_name(level)
        )
    low, high = axes.get_ylim()
    spare = max(0.0, MIN_MEMORY_MB - (high - low)) / 2
    axes.set_ylim(low - spare, high + spare)
    axes.set_xlabel("min since the run began")
    axes.set_ylabel("MB")
    add_legend(axes)
    return bool(measured)


def _long_enough(memory: Sequence[Sequence[float]]) -> bool:
    return bool(memory) and memory[-1][0] - memory[0][0] >= MIN_MEMORY_S


def _budget(axes: Axes, level: LevelData, kind: str) -> bool:
    """The stages of results of one kind, `partials` or `finals`, beside their budget."""
    rows = [row for row in level["budget"] if row[kind] and row["budget"] and row["stage"] != TOTAL]
    at = range(len(rows), 0, -1)
    axes.barh(at, [row["budget"] for row in rows], height=0.7, color=LINE, label="budget")
    axes.barh(at, [row[kind]["p50"] for row in rows], height=0.32, color=COLORS[0], label="p50")
    axes.plot([row[kind]["p95"] for row in rows], at, "|", color=COLORS[1], ms=13, mew=2, label="p95")
    axes.set_yticks(at, [row["stage"] for row in rows])
    axes.set_xlabel("ms")
    axes.grid(visible=False, axis="y")
    add_legend(axes)
    return bool(rows)


def _has_budget(level: LevelData) -> bool:
    return any(row["partials"] or row["finals"] for row in level["budget"])


def _name(level: LevelData) -> str:
    return f"N = {level['sessions']}"


def set_sessions_axis(axes: Axes, sessions: Sequence[int]) -> None:
    """Label the x axis with the numbers of sessions that were measured."""
    if sessions and max(sessions) > 8:
        axes.set_xscale("log", base=2)
    axes.set_xticks(sessions, [str(n) for n in sessions])
    axes.minorticks_off()
    axes.set_xlabel("sessions")
