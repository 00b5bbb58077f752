"""Plays histories of processes that end, and looks when they are started again."""

import pytest

from runtime.process import FAULT, REFUSED
from runtime.restarts import RestartLimits, Restarts

KILLED = -9
LIMITS = RestartLimits(most=3, window=60, delay=0.5, longest_delay=1.5)


@pytest.mark.parametrize("code", [KILLED, FAULT, 0])
def test_a_process_that_ends_starts_again_each_time_a_little_later(code: int) -> None:
    restarts = Restarts(LIMITS)
    assert [restarts.delay("asr.1", code, now) for now in (0, 1, 2)] == [0.5, 1.0, 1.5]


def test_one_that_ends_too_often_does_not() -> None:
    restarts = Restarts(LIMITS)
    assert [restarts.delay("asr.1", KILLED, now) for now in (0, 20, 40, 59)][-1] is None
    assert restarts.count("asr.1") == 4


def test_what_was_long_ago_is_forgotten() -> None:
    restarts = Restarts(LIMITS)
    assert {restarts.delay("asr.1", KILLED, now) for now in range(0, 1000, 61)} == {0.5}


def test_each_process_is_counted_by_itself() -> None:
    restarts = Restarts(LIMITS)
    assert {restarts.delay(f"vad.{number}", KILLED, 0) for number in range(10)} == {0.5}


def test_a_complaint_about_the_settings_ends_it_at_the_first_start() -> None:
    assert Restarts(LIMITS).delay("gateway.1", REFUSED, 0) is None


def test_one_that_ran_before_is_tried_again_after_a_complaint() -> None:
    restarts = Restarts(LIMITS)
    restarts.delay("gateway.1", KILLED, 0)
    assert restarts.delay("gateway.1", REFUSED, 1) == 1.0
