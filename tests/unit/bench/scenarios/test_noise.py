"""Checks how the words that came back for noise are counted."""

from dataclasses import replace

import pytest

from bench.scenarios.noise import NoiseTranscript
from bench.scenarios.noise import table as noise_table
from tests.support.bench_results import text_of


def test_false_words_are_counted_by_the_minute() -> None:
    sound = NoiseTranscript("music", 30.0, 6.0, 4, "la la la la")
    assert sound.words_per_minute == pytest.approx(8.0)
    text = text_of(noise_table([sound]))
    assert "8.0" in text
    assert "20.0" in text
    text = text_of(noise_table([replace(sound, signal="white noise, -40 dB", text="la " * 99)]), width=80)
    assert "white noise, -40 dB" in text
    assert "20.0" in text
