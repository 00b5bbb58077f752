"""Levels of a result in, pictures as SVG out."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from client.latency import TOTAL

Level: TypeAlias = dict[str, Any]

SIZE: Final = (5.6, 3.2)  # inches
INK: Final = "#3a4048"
LINE: Final = "#dfe3e8"
COLORS: Final = ("#2b6cb0", "#38a169", "#d69e2e", "#c05621", "#805ad5", "#718096")
BIN_S: Final = 5.0  # of the lag over time
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


def pictures(levels: Sequence[Level]) -> list[tuple[str, str]]:
    """Each picture that there are figures for: its title and its SVG."""
    kinds: tuple[tuple[str, Callable[[Axes, Sequence[Level]], bool]], ...] = (
        ("Time to final against sessions", _against_sessions),
        ("How many finals come within", _cdf_of_finals),
        ("How many words are shown within", _cdf_of_words),
        ("Word latency over the run", _over_time),
        ("CPU against sessions", _cpu),
        (f"Budget of a final at N = {levels[-1]['sessions']}", _budget),
    )
    found = []
    for title, draw in kinds:
        with mpl.rc_context(STYLE):
            figure = Figure(figsize=SIZE, layout="constrained")
            if draw(figure.add_subplot(), levels):
                found.append((title, _svg(figure)))
    return found


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return text.getvalue()[text.getvalue().index("<svg") :]


def _against_sessions(axes: Axes, levels: Sequence[Level]) -> bool:
    for name in ("p99", "p95", "p50"):
        points = [(level["sessions"], level["figures"][f"final_{name}"]) for level in levels]
        known = [(n, value) for n, value in points if value is not None]
        axes.plot([n for n, _ in known], [value for _, value in known], marker="o", label=name)
    _sessions_axis(axes, levels)
    axes.set_ylabel("s after the end of speech")
    axes.set_ylim(bottom=0)
    axes.legend()
    return any(level["figures"]["final_p50"] is not None for level in levels)


def _cdf_of_finals(axes: Axes, levels: Sequence[Level]) -> bool:
    return _cdf(axes, levels, lambda score: [score["time_to_final"]], "s after the end of speech")


def _cdf_of_words(axes: Axes, levels: Sequence[Level]) -> bool:
    return _cdf(axes, levels, lambda score: score["word_latency"], "s after the end of the word")


def _cdf(axes: Axes, levels: Sequence[Level], values: Callable[[Any], Sequence[Any]], label: str) -> bool:
    drawn = False
    for level in levels:
        all_values = sorted(v for score in level["scores"] for v in values(score) if v is not None)
        if all_values:
            share = 100 * np.arange(1, len(all_values) + 1) / len(all_values)
            axes.step(
                [all_values[0], *all_values], [0, *share], where="post", label=f"N = {level['sessions']}"
            )
            drawn = True
    axes.set_xlabel(label)
    axes.set_ylabel("%")
    axes.set_ylim(0, 102)
    if drawn:
        axes.legend(loc="lower right")
    return drawn


def _over_time(axes: Axes, levels: Sequence[Level]) -> bool:
    """The median word latency of every few seconds: what grows has no end."""
    drawn = False
    for level in levels:
        bins: dict[int, list[float]] = {}
        for score in level["scores"]:
            for end, delay in zip(score["word_ends"], score["word_latency"], strict=True):
                bins.setdefault(int((score["began"] + end) // BIN_S), []).append(delay)
        at = [(number + 0.5) * BIN_S for number in sorted(bins)]
        axes.plot(at, [float(np.median(bins[n])) for n in sorted(bins)], label=f"N = {level['sessions']}")
        drawn = drawn or bool(bins)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("s since the run began")
    axes.set_ylabel("s, median")
    axes.legend()
    return drawn


def _cpu(axes: Axes, levels: Sequence[Level]) -> bool:
    known = [level for level in levels if level["figures"]["cores"] is not None]
    sessions = [level["sessions"] for level in known]
    axes.plot(sessions, [level["figures"]["cores"] for level in known], marker="o", label="server, cores")
    per_stream = [level["figures"]["cores_per_stream"] or 0.0 for level in known]
    axes.plot(sessions, per_stream, marker="o", label="per stream, cores")
    _sessions_axis(axes, known)
    axes.set_ylim(bottom=0)
    axes.legend()
    return bool(known)


def _budget(axes: Axes, levels: Sequence[Level]) -> bool:
    rows = [row for row in levels[-1]["budget"] if row["finals"] and row["budget"] and row["stage"] != TOTAL]
    if not rows:
        return False
    rows.reverse()
    at = range(len(rows))
    axes.barh(at, [row["budget"] for row in rows], height=0.7, color=LINE, label="budget")
    axes.barh(at, [row["finals"]["p50"] for row in rows], height=0.32, color=COLORS[0], label="p50")
    axes.plot(
        [row["finals"]["p95"] for row in rows], list(at), "|", color=COLORS[3], ms=13, mew=2, label="p95"
    )
    axes.set_yticks(list(at), [row["stage"] for row in rows])
    axes.set_xlabel("ms")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")
    return True


def _sessions_axis(axes: Axes, levels: Sequence[Level]) -> None:
    sessions = [level["sessions"] for level in levels]
    if sessions and max(sessions) > 8:
        axes.set_xscale("log", base=2)
    axes.set_xticks(sessions, [str(n) for n in sessions])
    axes.minorticks_off()
    axes.set_xlabel("sessions")
