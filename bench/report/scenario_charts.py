"""Draws the charts of the fan-out and of the overhead as SVG."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from matplotlib.axes import Axes

from bench.report.charts import COLORS, Draw, add_legend, draw_charts, set_sessions_axis

Rows: TypeAlias = Sequence[Mapping[str, Any]]

ROW_HEIGHT: Final = 0.34  # Inches for a combination: a line of text and a gap.
FRAME_HEIGHT: Final = 0.9  # Inches for the axis below and the legend above.


def fanout_charts(combinations: Rows) -> list[tuple[str, str]]:
    """The chart of the time to final of each combination."""
    measured = [each for each in combinations if each["figures"]["final_p95"] is not None]
    height = FRAME_HEIGHT + ROW_HEIGHT * len(measured)

    def draw(axes: Axes) -> bool:
        return _combinations(axes, measured)

    return draw_charts([("Time to final of each combination", draw)], height)


def _combinations(axes: Axes, measured: Rows) -> bool:
    at = range(len(measured), 0, -1)
    for color, name in zip(COLORS, ("final_p50", "final_p95"), strict=False):
        axes.plot([e["figures"][name] for e in measured], at, "o", color=color, label=name[-3:])
    axes.set_yticks(at, [each["name"] for each in measured])
    axes.set_ylim(0.4, len(measured) + 0.6)
    axes.set_xlim(0, 1.08 * max((e["figures"]["final_p95"] for e in measured), default=1.0))
    axes.set_xlabel("s after the end of speech")
    add_legend(axes)
    return bool(measured)


def overhead_charts(steps: Rows) -> list[tuple[str, str]]:
    """The charts of added latency and CPU against the number of sessions."""
    kinds: list[tuple[str, Draw]] = [
        ("Added latency against sessions", lambda axes: _added(axes, steps)),
        ("CPU against sessions", lambda axes: _cores(axes, steps)),
    ]
    return draw_charts(kinds)


def _added(axes: Axes, steps: Rows) -> bool:
    return _lines(axes, steps, {"p50": "added_p50", "p99": "added_p99"}, "ms")


def _cores(axes: Axes, steps: Rows) -> bool:
    return _lines(axes, steps, {"server": "cores", "client": "client_cores"}, "cores")


def _lines(axes: Axes, steps: Rows, names: Mapping[str, str], unit: str) -> bool:
    for label, name in names.items():
        measured = [(step["sessions"], step[name]) for step in steps if step[name] is not None]
        axes.plot([n for n, _ in measured], [value for _, value in measured], marker="o", label=label)
    set_sessions_axis(axes, [step["sessions"] for step in steps])
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    add_legend(axes)
    return len(steps) > 1 and any(step[name] is not None for step in steps for name in names.values())
