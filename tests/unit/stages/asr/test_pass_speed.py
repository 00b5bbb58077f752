"""How long a forward pass may take: by the passes before it, and within limits."""

import numpy as np
import pytest

from engines.base import Job
from stages.asr.pass_speed import RECENT, PassLimits, PassSize, PassSpeed

LIMITS = PassLimits(factor=4.0, floor=1.0, first=2.0, longest=10.0)
SMALL = PassSize(jobs=1, audio=3.0)


def speed_after(*passes: tuple[PassSize, float]) -> PassSpeed:
    speed = PassSpeed(LIMITS)
    for size, seconds in passes:
        speed.record(size, seconds)
    return speed


def test_the_size_of_a_pass_is_its_jobs_and_their_audio() -> None:
    jobs = [Job(np.zeros(samples, np.float32)) for samples in (16_000, 24_000)]
    assert PassSize.of(jobs) == PassSize(jobs=2, audio=2.5)


def test_before_the_first_pass_nothing_is_known() -> None:
    assert PassSpeed(LIMITS).bound(SMALL) == LIMITS.longest


@pytest.mark.parametrize(
    ("size", "bound"),
    [
        (PassSize(jobs=1, audio=3.0), 1.6),  # as large as the one that took 0.4 s
        (PassSize(jobs=1, audio=7.0), 3.2),
        (PassSize(jobs=1, audio=1.0), LIMITS.floor),
        (PassSize(jobs=2, audio=1.0), LIMITS.first),  # no pass had two jobs
        (PassSize(jobs=1, audio=60.0), LIMITS.longest),
    ],
)
def test_the_bound_follows_the_size(size: PassSize, bound: float) -> None:
    assert speed_after((SMALL, 0.4)).bound(size) == pytest.approx(bound)


def test_the_slowest_of_the_last_passes_counts() -> None:
    slow_once = [(SMALL, 0.1), (SMALL, 1.0), (SMALL, 0.1)]
    assert speed_after(*slow_once).bound(SMALL) == pytest.approx(4.0)
    assert speed_after(*slow_once, *[(SMALL, 0.1)] * RECENT).bound(SMALL) == LIMITS.floor
