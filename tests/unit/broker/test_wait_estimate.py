"""Tests the estimate of the time until a slot comes free."""

import pytest

from broker.wait_estimate import WaitEstimate


@pytest.mark.parametrize(
    ("outlook", "position", "expected"),
    [
        (WaitEstimate(sessions=0, fitting=0, endings=0, within=0.0, age=0.0), 1, None),
        (WaitEstimate(sessions=4, fitting=4, endings=2, within=1.0, age=2.0), 1, None),  # too little of both
        (WaitEstimate(sessions=8, fitting=8, endings=6, within=60.0, age=30.0), 1, 10.0),
        (WaitEstimate(sessions=8, fitting=8, endings=6, within=60.0, age=30.0), 3, 30.0),
        (
            WaitEstimate(sessions=8, fitting=2, endings=6, within=60.0, age=30.0),
            1,
            40.0,
        ),  # a quarter of them fits
        (WaitEstimate(sessions=8, fitting=0, endings=6, within=60.0, age=30.0), 1, None),
        (WaitEstimate(sessions=10, fitting=10, endings=0, within=0.0, age=60.0), 1, 8.7),
        (WaitEstimate(sessions=1, fitting=1, endings=0, within=0.0, age=3600.0), 1, 120.0),
    ],
)
def test_the_wait_follows_from_endings_or_else_from_ages(
    outlook: WaitEstimate, position: int, expected: float | None
) -> None:
    assert outlook.wait(position) == expected
