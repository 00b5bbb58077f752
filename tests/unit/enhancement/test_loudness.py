"""What is quiet is raised to a usual level, and nothing is cut off."""

import numpy as np
import pytest

from enhancement.loudness import MOST_DB, TARGET_DB, LoudnessMeter

SECOND = 16_000


def meter_of(*parts: np.ndarray) -> LoudnessMeter:
    meter = LoudnessMeter()
    for part in parts:
        meter.append(part.astype(np.float32))
    return meter


def tone(decibels: float, seconds: float = 3.0) -> np.ndarray:
    at = np.arange(round(seconds * SECOND))
    return np.asarray(np.sqrt(2) * 10 ** (decibels / 20) * np.sin(at * 0.3))


def test_the_level_is_that_of_what_is_loud() -> None:
    silence = np.zeros(20 * SECOND)
    assert meter_of(silence, tone(-30), silence).level() == pytest.approx(-30, abs=0.5)


def test_what_is_quiet_is_raised() -> None:
    assert meter_of(tone(-35)).gain() == pytest.approx(10 ** ((TARGET_DB + 35) / 20), rel=0.02)


def test_noise_is_not_raised_without_a_bound() -> None:
    assert meter_of(tone(-65)).gain() == pytest.approx(10 ** (MOST_DB / 20))


def test_what_is_loud_stays_as_it_is() -> None:
    assert meter_of(tone(-10)).gain() == 1.0


def test_no_sample_is_cut_off() -> None:
    click = np.zeros(100)
    click[50] = 0.8
    assert meter_of(tone(-35), click).gain() == pytest.approx(1.25)


@pytest.mark.parametrize("length", [0, 100, 3 * SECOND])
def test_silence_has_no_level(length: int) -> None:
    meter = meter_of(np.zeros(length))
    assert (meter.level(), meter.gain()) == (None, 1.0)
