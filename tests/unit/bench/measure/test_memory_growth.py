"""Checks the growth of a server's memory over a run, and the points of its chart."""

from dataclasses import replace

import pytest

from bench.measure.figures import downsample, memory_growth
from tests.support.bench_results import SCORE, USAGE, figures

MB = 1_000_000
HOUR = 3_600.0


def line(seconds: float, per_hour: float, start: float = 800.0) -> list[tuple[float, int]]:
    """Two looks a second at a server that grows by so many MB per hour."""
    return [(at / 2, round(MB * (start + per_hour * at / 2 / HOUR))) for at in range(round(2 * seconds) + 1)]


@pytest.mark.parametrize("per_hour", [0.0, 12.0, -3.0])
def test_growth_is_the_slope_per_hour(per_hour: float) -> None:
    assert memory_growth(line(2_000.0, per_hour)) == pytest.approx(per_hour, abs=0.01)


def test_what_fills_at_the_beginning_is_no_growth() -> None:
    warm = [(at, 500 * MB if at < 60 else size) for at, size in line(2_000.0, 6.0)]
    assert memory_growth(warm) == pytest.approx(6.0, abs=0.01)


def test_a_run_under_half_an_hour_says_nothing_of_it() -> None:
    assert memory_growth(line(1_799.0, 100.0)) is None
    assert memory_growth([]) is None


def test_a_peak_that_goes_again_is_hardly_growth() -> None:
    steady = [(at, size + 40 * MB * (400 < at < 410)) for at, size in line(HOUR, 0.0)]
    growth = memory_growth(steady)
    assert growth is not None
    assert abs(growth) < 1.0


def test_growth_is_a_figure_of_the_run() -> None:
    long = replace(USAGE, memory_over_time=line(HOUR, 5.0))
    assert figures(SCORE, usage=long).memory_growth == pytest.approx(5.0, abs=0.01)
    assert figures(SCORE).memory_growth is None


def test_points_of_a_picture_are_means() -> None:
    points = downsample(line(HOUR, 0.0), limit=10)
    assert len(points) == 10
    assert points[0][0] == pytest.approx(HOUR / 20, rel=0.01)
    assert {size for _, size in points} == {800.0}
    assert downsample([(0.0, MB), (0.5, 3 * MB)]) == [(0.0, 1.0), (0.5, 3.0)]
    assert downsample([]) == []
