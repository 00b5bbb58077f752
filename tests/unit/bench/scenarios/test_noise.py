"""Checks how the words that came back for noise are counted."""

from dataclasses import replace

import numpy as np
import pytest

from bench.load.load_plan import LoadPlan
from bench.recordings.recording import Recording
from bench.recordings.signals import SIGNALS
from bench.request import BenchRequest
from bench.scenarios.noise import BEHIND, BEHIND_DB, NoiseTranscript, sounds
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


def test_music_is_played_behind_the_longest_recording_that_has_a_text() -> None:
    tone = (8_000 * np.sin(np.arange(32_000))).astype("<i2").tobytes()
    recordings = [
        Recording(f"{k}", tone * k, text, (), 0.0, 1.0) for k, text in ((1, "one"), (2, "two"), (3, None))
    ]
    request = BenchRequest(seconds=1.0)
    *without, behind = sounds(request, LoadPlan(recordings, 1.0, 1))
    assert [sound.name for sound in without] == list(SIGNALS)
    assert {sound.said for sound in without} == {""}
    assert (behind.name, behind.said, len(behind.pcm)) == (BEHIND, "two", 2 * len(tone))
    speech = np.frombuffer(tone * 2, "<i2").astype(float)
    music = np.frombuffer(behind.pcm, "<i2") - speech
    assert 10 * np.log10(np.mean(speech**2) / np.mean(music**2)) == pytest.approx(BEHIND_DB, abs=0.5)
    (_, *none), plan = SIGNALS, LoadPlan(recordings[2:], 1.0, 1)
    assert len(list(sounds(request, plan))) == len(none) + 1
