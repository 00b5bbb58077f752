"""The engine that answers at once, what is counted round it, and the sounds in which nobody speaks."""

from dataclasses import replace

import numpy as np
import pytest

from bench.load.load_client import LoadClient, LoadTarget
from bench.load.load_connection import chunk_with
from bench.measure.process_usage import ProcessUsage
from bench.recordings.signals import SIGNALS, generate
from bench.scenarios.noise import NoiseTranscript
from bench.scenarios.noise import table as noise_table
from bench.scenarios.overhead import OverheadStep, step_figures, table, verdict
from engines.base import Job
from engines.catalog import EngineLimits, describe, load, parse
from tests.unit.bench.measure.test_figures import text_of

USAGE = ProcessUsage(10.0, 2.0, 300_000_000, None, 1.0, 0.0)


def some_step(**changed: object) -> OverheadStep:
    client = LoadClient(LoadTarget(""), b"", 10.0, added=[0.01, 0.02, 0.03], late=[0.0, 0.002], sent=1_000)
    return replace(step_figures(client, 10, USAGE, interrupted=False), **changed)  # type: ignore[arg-type]


def test_the_instant_engine_is_a_model_like_others() -> None:
    engines = load(parse("fast=instant:any"), EngineLimits())
    (info,) = describe(engines)
    assert (info.name, info.engine, info.features["interim_results"]) == ("instant-any", "instant", True)


def test_the_instant_engine_hears_as_many_words_as_would_be_said() -> None:
    engine = load(parse("fast=instant:any"), EngineLimits())["fast"]
    jobs = [Job(np.zeros(samples, np.float32)) for samples in (1_600, 32_000)]
    texts = [transcript.text for transcript in engine.transcribe(jobs)]  # type: ignore[arg-type]
    assert texts == ["word1", "word1 word2 word3 word4 word5"]


@pytest.mark.parametrize(("end", "chunk"), [(0.05, 0), (0.1, 0), (0.128, 1), (0.2, 1), (1.024, 10)])
def test_the_chunk_that_brought_the_last_audio(end: float, chunk: int) -> None:
    assert chunk_with(end) == chunk


def test_frames_are_counted_against_the_servers_cpu() -> None:
    found = some_step()
    assert found.frames_per_second == pytest.approx(100.0)
    assert found.frames_per_core == pytest.approx(500.0)
    assert found.added_p50 == pytest.approx(20.0)
    assert not found.broken


@pytest.mark.parametrize("changed", [{"added_p99": 1_001.0}, {"added_p99": None}, {"failed": 1}])
def test_what_does_not_keep_up_is_broken(changed: dict[str, object]) -> None:
    broken = some_step(**changed)
    assert broken.broken
    assert verdict([some_step(), broken]) == "It breaks at 10 sessions."


def test_the_table_and_the_verdict() -> None:
    assert verdict([some_step()]) == "It holds 10 sessions; more were not tried."
    assert verdict([some_step(failed=9, errors=("lost",))]).endswith("; lost.")
    text = text_of(table([some_step(), some_step(frames_per_core=None)]))
    assert "500" in text
    assert "–" in text
    many_sessions = replace(some_step(added_p99=1_279.4, added_p50=128.3, memory_mb=1_612.0), sessions=500)
    assert "…" not in text_of(table([many_sessions]), width=80)
    assert verdict([some_step(interrupted=True)]) == "Cut short at 10 sessions."


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


def test_false_words_are_counted_by_the_minute() -> None:
    heard = NoiseTranscript("music", 30.0, 6.0, 4, "la la la la")
    assert heard.words_per_minute == pytest.approx(8.0)
    text = text_of(noise_table([heard]))
    assert "8.0" in text
    assert "20.0" in text
    text = text_of(noise_table([replace(heard, signal="white noise, -40 dB", text="la " * 99)]), width=80)
    assert "white noise, -40 dB" in text
    assert "20.0" in text
