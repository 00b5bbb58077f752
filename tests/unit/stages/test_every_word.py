"""VAD, ASR and assembler one behind the other: what is said is in the finals, once and in order."""

from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalston_realtime.protocol.models import ModelInfo
from engines.base import Chunk, Features, Floats, Job, Transcript
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules
from stages.messages import Message
from stages.process import Stage
from stages.vad.stage import VadStage
from tests.support.builders import SECOND, audio, close, flush, input_timed_out, opened, pcm
from tests.support.loud_vad import LoudIsSpeech
from tests.support.play import ManualClock, at_once, json_events, play

WORD = SECOND // 4
CHUNK = SECOND // 10
LOUD, QUIET = 12_000, 50
# fmt: off
NAMES = (
    "Alfa", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot", "Golf", "Hotel", "India",
    "Juliett", "Kilo", "Lima", "Mike", "November", "Oscar", "Papa", "Quebec", "Romeo",
    "Sierra", "Tango", "Uniform", "Victor", "Whiskey", "Xray", "Yankee", "Zulu",
)
# fmt: on


def hear(sound: Floats) -> Transcript:
    """Each word of which more than half is there; the word is in the value of its samples."""
    values = np.round(sound * 32768).astype(int)
    runs = np.split(values, np.flatnonzero(np.diff(values)) + 1)
    whole = (run for run in runs if len(run) > WORD // 2 and run[0] >= LOUD)
    return Transcript(" ".join(NAMES[int(run[0] - LOUD) % len(NAMES)] for run in whole))


class Whole:
    """Hears utterances."""

    longest_context = 0
    rest = 0
    info = ModelInfo("fast", "whole", "echo", ("en",), Features(interim_results=True).flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        return [hear(job.audio) for job in jobs]


class Stream:
    """Hears chunks."""

    chunk_samples = 2_560
    info = ModelInfo(
        "fast", "stream", "echo", ("en",), Features(streaming=True, interim_results=True).flags()
    )

    def __init__(self) -> None:
        self.open: dict[int, Floats] = {}

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        return [self._step(job) for job in jobs]

    def _step(self, job: Chunk) -> Transcript:
        assert job.last or len(job.audio) == self.chunk_samples
        heard = np.concatenate([self.open.pop(job.stream, np.empty(0, np.float32)), job.audio])
        if not job.last:
            self.open[job.stream] = heard
        return hear(heard)

    def drop(self, stream: int) -> None:
        self.open.pop(stream, None)


def finals(engine: Any, *history: Message | Packet) -> list[dict[str, Any]]:
    """The finals that come of a history, each message dealt with before the next comes."""
    clock = ManualClock()
    stages: list[Stage] = [
        VadStage(LoudIsSpeech(0.2), EndpointRules(), clock),
        AsrStage({"fast": engine}, 4, WORD, clock),
        AssemblerStage(clock),
    ]
    said = [packet for message in history for packet in through(stages, message, clock)]
    return json_events(said, "transcript.final")


def through(stages: Sequence[Stage], message: Message | Packet, clock: ManualClock) -> list[Packet]:
    """What comes out of the last stage; each packet is dealt with before the next one of its stage."""
    said = play(stages[0], at_once(message), clock)
    rest = stages[1:]
    return [packet for each in said for packet in through(rest, each, clock)] if rest else said


def speech(*pauses: int) -> tuple[np.ndarray[Any, Any], list[str]]:
    """A word before each pause (in samples), and what is said."""
    numbers = range(len(pauses))
    parts = [np.full(SECOND, QUIET)]
    for number, pause in zip(numbers, pauses, strict=True):
        parts += [np.full(WORD, LOUD + number), np.full(pause, QUIET)]
    return np.concatenate([*parts, np.full(SECOND, QUIET)]), [NAMES[n % len(NAMES)] for n in numbers]


def chunks(sound: np.ndarray[Any, Any], size: int = CHUNK) -> list[Packet]:
    return [audio(at, pcm(sound[at : at + size])) for at in range(0, len(sound), size)]


@pytest.mark.parametrize("engine", [Whole, Stream])
@pytest.mark.parametrize("pause_at", [None, 38, 40, 44, 47])
def test_who_talks_on_is_cut_without_a_word_lost_or_said_twice(engine: Any, pause_at: int | None) -> None:
    pauses = [0] * 120
    if pause_at is not None:
        pauses[pause_at] = 1_000  # the quietest point of the first 12 s: too short to be an end
    sound, expected = speech(*pauses)
    said = finals(engine(), opened(), *chunks(sound), close(len(sound)))
    assert " ".join(f["text"] for f in said).split() == expected
    assert all(a["end"] <= b["end"] for a, b in pairwise(said))
    assert len(said) > 2


@pytest.mark.parametrize("engine", [Whole, Stream])
def test_what_waits_behind_an_end_belongs_to_the_next_utterance(engine: Any) -> None:
    sound, expected = speech(0, 0, 4_000, 0, 0)
    said = finals(engine(), opened(min_silence_ms=100), *chunks(sound, len(sound)), close(len(sound)))
    assert [f["text"] for f in said] == [" ".join(expected[:3]), " ".join(expected[3:])]


@settings(max_examples=40, deadline=None)
@given(
    pauses=st.lists(st.sampled_from([0, 0, 0, 0, 500, 1_500, 5_000, 12_000]), min_size=1, max_size=80),
    controls=st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=6),
    min_silence=st.sampled_from([100, 300, 1_000, "auto"]),
    streams=st.booleans(),
)
def test_every_word_is_said_once_and_in_order(
    pauses: list[int], controls: list[tuple[int, bool]], min_silence: Any, streams: bool
) -> None:
    sound, expected = speech(*pauses)
    history: list[Message | Packet] = list(chunks(sound))
    names = count()
    for at, stalls in sorted(controls, reverse=True):
        # where a word is not broken off: in two halves it may be heard twice or not at all
        if at < len(history) and np.abs(sound[at * CHUNK - 1 : at * CHUNK + 1]).max() == QUIET:
            history.insert(at, input_timed_out() if stalls else flush(f"f{next(names)}"))
    engine = Stream() if streams else Whole()
    said = finals(engine, opened(min_silence_ms=min_silence), *history, close(len(sound)))
    assert " ".join(f["text"] for f in said).split() == expected
    assert [f["utterance"] for f in said] == list(range(1, len(said) + 1))
    assert sum("flush_id" in f for f in said) == next(names)
    assert not getattr(engine, "open", None)
