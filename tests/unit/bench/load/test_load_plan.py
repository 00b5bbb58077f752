"""Checks which recordings a session plays, and in which order."""

import pytest

from bench.load.load_plan import LoadPlan
from bench.recordings.recording import Recording


def recordings(*seconds: float) -> list[Recording]:
    return [Recording(f"r{i}", bytes(round(s * 32_000)), None, (), 0.0, s) for i, s in enumerate(seconds)]


def test_the_same_seed_plays_the_same() -> None:
    load = LoadPlan(recordings(1, 2, 3, 4, 5), 12.0, seed=7)
    assert load.playlist(3) == LoadPlan(load.recordings, 12.0, seed=7).playlist(3)
    orders = {tuple(r.name for r in LoadPlan(load.recordings, 12.0, seed).playlist(0)) for seed in range(9)}
    assert len(orders) > 3


def test_a_recording_comes_again_only_after_all_others() -> None:
    names = [r.name for r in LoadPlan(recordings(1, 1, 1), 6.0, seed=1).playlist(0)]
    assert sorted(names[:3]) == sorted(names[3:]) == ["r0", "r1", "r2"]


def test_a_session_takes_its_audio_and_the_silences() -> None:
    load = LoadPlan(recordings(2.0), 2.0, seed=1)
    assert load.length(0) == pytest.approx(3.5)
    assert load.length(2) == pytest.approx(4.24)
