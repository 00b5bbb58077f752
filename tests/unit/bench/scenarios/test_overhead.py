"""Checks the engine that answers at once, and the figures of the overhead."""

from dataclasses import replace

import numpy as np
import pytest

from bench.load.load_client import LoadClient, LoadTarget
from bench.measure.process_usage import ProcessUsage
from bench.scenarios.overhead import OverheadStep, step_figures, table, verdict
from engines.base import Job
from engines.catalog import EngineLimits, describe, load, parse
from tests.support.bench_results import text_of

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
