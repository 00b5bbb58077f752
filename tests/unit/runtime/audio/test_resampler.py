"""Every sample stands at its time, however the input is divided, and nothing is held behind a drain."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.audio.resampler import Resampler

Floats = npt.NDArray[np.float32]
RATES: Final = (
    *(8_000, 8_001, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 47_999, 48_000),
    *(88_200, 96_000, 176_400, 191_999, 192_000),
)
MOST_HELD_S: Final = 0.0024  # Seconds, at 8 kHz; less at higher rates.


def clocked(received: int, rate: int) -> int:
    """The samples that the session's clock counts for so much input."""
    return (2 * received * 16_000 + rate) // (2 * rate)


def at_once(samples: Floats, rate: int) -> Floats:
    stream = Resampler(rate)
    return np.concatenate((stream.resample(samples), stream.drain()))


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Floats:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def voice(rate: int) -> Floats:
    """A glide of a voice's pitch with its harmonics up to 3 kHz, louder and softer."""
    at = np.arange(rate) / rate
    phase = 2 * np.pi * (120 * at + 30 * at**2)
    sound = sum(np.sin(n * phase) / n for n in range(1, 17)) * (0.2 + 0.1 * np.sin(2 * np.pi * 4 * at))
    return np.asarray(sound, np.float32)


def decibels(wrong: npt.ArrayLike, right: npt.ArrayLike) -> float:
    """How far an error is below the sound."""
    return float(10 * np.log10(np.sum(np.square(right)) / (np.sum(np.square(wrong)) + 1e-30)))


@settings(max_examples=150, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    seed=st.integers(0, 1_000),
    steps=st.lists(st.tuples(st.integers(0, 1_500), st.booleans()), max_size=12),
)
@example(rate=8_000, seed=0, steps=[(1, True)] * 40)
@example(rate=48_000, seed=0, steps=[(1, True)] * 40)
@example(rate=44_100, seed=0, steps=[(0, True), (1, False), (7, True), (0, True), (1_500, False)])
def test_any_division_and_any_drains_give_the_same_number_of_samples_and_nearly_the_same(
    rate: int, seed: int, steps: list[tuple[int, bool]]
) -> None:
    total = sum(length for length, _ in steps)
    sound = np.random.default_rng(seed).uniform(-1, 1, total).astype(np.float32)
    whole, stream = at_once(sound, rate), Resampler(rate)
    pieces, received, provisional = list[Floats](), 0, np.zeros(len(whole), bool)
    for length, drains in [*steps, (0, True)]:
        pieces.append(stream.resample(sound[received : received + length]))
        received += length
        held = clocked(received, rate) - sum(map(len, pieces))
        assert held <= MOST_HELD_S * 16_000 + 1
        if drains:
            pieces.append(stream.drain())
            assert sum(map(len, pieces)) == clocked(received, rate)
            assert len(stream.drain()) == 0
            provisional[clocked(received, rate) - max(held, 0) : clocked(received, rate)] = True
    heard = np.concatenate(pieces)
    assert len(heard) == len(whole) == clocked(total, rate)
    assert np.array_equal(heard[~provisional], whole[~provisional])
    assert np.abs(heard).max(initial=0) < 3  # what is not known yet is guessed, and never explodes


@pytest.mark.parametrize("rate", RATES)
def test_between_drains_less_than_3_ms_are_held_back(rate: int) -> None:
    stream, given_back = Resampler(rate), 0
    for received in range(rate // 100, rate, rate // 100):
        given_back += len(stream.resample(np.zeros(rate // 100, np.float32)))
        assert received / rate - given_back / 16_000 <= MOST_HELD_S


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("kind", ["voice", "tone"])
def test_a_drain_every_fifth_of_a_second_is_not_heard(rate: int, kind: str) -> None:
    sound = voice(rate) if kind == "voice" else tone(300, rate)
    stream, step, pieces = Resampler(rate), rate // 5 + 3, list[Floats]()
    for at in range(0, len(sound), step):
        pieces += [stream.resample(sound[at : at + step]), stream.drain()]
    whole, heard = at_once(sound, rate), np.concatenate(pieces)
    assert decibels(heard - whole, whole) > 40
    assert np.abs(np.diff(heard)).max() < 1.5 * np.abs(np.diff(whole)).max()  # no click


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 44_100, 48_000, 88_200, 96_000, 176_400, 191_999])
def test_it_is_what_a_long_filter_makes_of_it(rate: int) -> None:
    sound = voice(rate)
    right = soxr.resample(sound, rate, 16_000, quality="VHQ")
    heard = at_once(sound, rate)
    assert len(heard) == len(right)
    assert decibels((heard - right)[200:-200], right[200:-200]) > 60


@pytest.mark.parametrize(("rate", "flat"), [(8_000, 3_400), (44_100, 6_800), (48_000, 6_800)])
def test_what_speech_needs_is_as_loud_as_before(rate: int, flat: int) -> None:
    for hertz in (100, 1_000, flat // 2, flat):
        middle = at_once(tone(hertz, rate), rate)[2_000:14_000]
        assert 20 * np.log10(np.std(middle) * np.sqrt(8)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("hertz", [300, 1_000, 2_000, 3_000, 3_400])
def test_a_telephone_call_has_no_mirror_image_above_4_khz(hertz: int) -> None:
    middle = at_once(tone(hertz, 8_000), 8_000)[2_000:14_000]
    spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle))))
    above = round(4_000 / 16_000 * len(middle))
    assert 20 * np.log10(spectrum[above:].max() / spectrum.max()) < -60


@pytest.mark.parametrize("hertz", [8_600, 9_000, 12_000, 20_000])
def test_what_16_khz_cannot_hold_is_filtered_out(hertz: int) -> None:
    for rate in (44_100, 48_000, 96_000, 176_400, 191_999):
        assert 20 * np.log10(np.std(at_once(tone(hertz, rate), rate)[2_000:14_000]) * np.sqrt(8)) < -60
