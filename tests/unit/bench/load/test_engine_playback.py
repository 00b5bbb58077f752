"""Checks sessions on a clock that an engine's forward passes move."""

from collections.abc import Sequence

import pytest

from bench.load.engine_playback import EngineLoad, EnginePlayback
from bench.load.vad_trace import VadTrace
from bench.scenarios.gpu_check import most_sessions
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Chunk, Features, Transcript
from stages.messages import Message
from tests.support.builders import SECOND, audio, close, opened, speech_end, speech_start

MS = 1_000_000  # ns
STEP = 2_560  # samples: 160 ms


class Metronome:
    """A streaming engine of which a step traces 10 ms and 5 ms for each stream, by its own timer."""

    chunk_samples = STEP
    info = ModelInfo("fast", "metronome", "metronome", ("en",), Features(streaming=True).flags())

    def __init__(self) -> None:
        self.now = 0
        self.heard: dict[int, int] = {}

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        self.now += (10 + 5 * len(jobs)) * MS
        for job in jobs:
            self.heard[job.stream] = self.heard.get(job.stream, 0) + 1
        return [Transcript(" ".join(["tick"] * self.heard[job.stream])) for job in jobs]

    def drop(self, stream: int) -> None:
        self.heard.pop(stream)


def ticking(seconds: int) -> VadTrace:
    """One utterance of so many seconds, in packets of 160 ms."""
    count = seconds * SECOND // STEP
    end, length = count * STEP, count * 160 * MS
    coming: list[tuple[int, Message, bytes]] = [(0, opened(), b""), (0, speech_start(), b"")]
    coming += [((i + 1) * 160 * MS, *audio(i * STEP, STEP)) for i in range(count)]
    coming += [(length, speech_end(end), b""), (length, close(end), b"")]
    return VadTrace(" ".join(["tick"] * count), tuple(coming), length)


def play(sessions: int, seconds: float = 4) -> EngineLoad:
    """So many sessions of four seconds each."""
    engine = Metronome()
    return EnginePlayback(engine, [ticking(4)], sessions, seconds, timer=lambda: engine.now).run()


def test_one_session_lags_by_its_forward_pass() -> None:
    load = play(1)
    assert set(load.steps) == {0.015}
    assert max(load.lags) == pytest.approx(0.015)
    assert load.p95() == pytest.approx(0.015)


def test_all_is_heard_to_the_end_and_kept_beside_what_was_said() -> None:
    load = play(3)
    assert len(load.pairs) == 3
    assert all(heard.lower() == text for text, heard in load.pairs)


def test_more_sessions_than_the_device_has_time_for_fall_behind() -> None:
    assert play(20).p95() < 0.3
    assert play(60).p95() > 0.5


def test_the_search_ends_at_what_the_device_holds_to_an_eighth() -> None:
    tried: dict[int, float] = {}

    def load(sessions: int) -> EngineLoad:
        tried[sessions] = 0.1 if sessions <= 30 else 0.9
        return EngineLoad(sessions, (tried[sessions],), (), (), gave_up=False)

    assert len(list(most_sessions(load, budget=0.5, most=512))) == len(tried)
    held = max(sessions for sessions, lag in tried.items() if lag < 0.5)
    assert list(tried)[:4] == [4, 8, 16, 32]
    assert 27 <= held <= 30


def test_the_search_ends_at_the_most_that_is_asked_for() -> None:
    loads = most_sessions(lambda n: EngineLoad(n, (0.0,), (), (), gave_up=False), budget=0.5, most=10)
    assert [load.sessions for load in loads] == [4, 8, 10]


def test_a_device_that_holds_none_is_asked_for_fewer_than_four() -> None:
    loads = most_sessions(lambda n: EngineLoad(n, (9.0,), (), (), gave_up=True), budget=0.5, most=512)
    assert [load.sessions for load in loads] == [4, 2, 1]
