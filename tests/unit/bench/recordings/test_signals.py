"""Checks the sounds in which nobody speaks."""

import numpy as np
import pytest

from bench.recordings.signals import SIGNALS, generate


@pytest.mark.parametrize("name", SIGNALS)
def test_sounds_are_as_long_and_as_loud_as_they_should_be(name: str) -> None:
    audio = generate(name, 2.0, seed=1)
    assert audio.dtype == np.float32
    assert len(audio) == 32_000
    assert float(np.abs(audio).max()) <= 1.0
    assert np.array_equal(audio, generate(name, 2.0, seed=1))
    decibels = name.partition(",")[2].removesuffix("dB").strip()
    if decibels:
        rms = float(np.sqrt(np.mean(audio.astype(np.float64) ** 2)))
        assert 20 * np.log10(rms) == pytest.approx(float(decibels), abs=1.0)


def test_pink_noise_falls_by_three_decibels_in_an_octave() -> None:
    power = np.abs(np.fft.rfft(generate("pink noise, -25 dB", 8.0, seed=1))) ** 2
    low, high = power[800:1_600].mean(), power[1_600:3_200].mean()
    assert 10 * np.log10(low / high) == pytest.approx(3.0, abs=0.5)
