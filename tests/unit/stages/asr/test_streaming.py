"""The ASR stage with a streaming engine, with two engines, and with engines that fail."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalston_realtime.protocol.models import ModelInfo
from engines.base import Chunk, DeviceLost, Features, Job, OutOfMemory, StreamsLost, Transcript
from stages.asr.inference import GROW_AFTER, Failure, Inference
from stages.asr.stage import AsrStage
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.messages import (
    AudioProcessed,
    Close,
    EncodedEvent,
    Flush,
    Hypothesis,
    Message,
    SessionFailed,
    TextEnd,
    UtteranceEnd,
)
from tests.support.builders import (
    SECOND,
    audio,
    close,
    configure,
    opened,
    pcm,
    speech_end,
    speech_start,
    text_end,
)
from tests.support.play import ManualClock, Moment, at_once, json_events, of_type, play

CHUNK = SECOND // 4


class EchoStream:
    """Says the value of each whole chunk that it has heard of a stream; keeps what it was given.

    A value of 32,000 makes it fail.
    """

    chunk_samples = CHUNK

    def __init__(self, clock: ManualClock, seconds: float = 0.0) -> None:
        self._clock, self._seconds = clock, seconds
        self.heard: dict[int, list[float]] = {}
        self.all: dict[int, list[float]] = {}
        self.steps: list[list[int]] = []
        self.dropped: list[int] = []
        flags = Features(streaming=True, interim_results=True).flags()
        self.info = ModelInfo("fast", "echo-stream", "echo", ("en",), flags)

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        self.steps.append([job.stream for job in jobs])
        self._clock.spend(self._seconds)
        return [self._step(job) for job in jobs]

    def _step(self, job: Chunk) -> Transcript:
        assert job.first == (job.stream not in self.heard)
        assert len(job.audio) == CHUNK or (job.last and len(job.audio) <= CHUNK)
        values = self.heard.setdefault(job.stream, [])
        values += (job.audio * 32768).round().tolist()
        if 32_000 in values:
            raise RuntimeError("cursed")
        if job.last:
            self.all[job.stream] = self.heard.pop(job.stream)
        return Transcript(" ".join(f"w{int(v)}" for v in values[CHUNK - 1 :: CHUNK]))

    def drop(self, stream: int) -> None:
        self.heard.pop(stream, None)
        self.dropped.append(stream)


class FragileStream(EchoStream):
    """Loses all streams of a step half-way where one of them makes it fail."""

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        try:
            return super().transcribe(jobs)
        except RuntimeError as error:
            for job in jobs:
                self.heard.pop(job.stream, None)
            raise StreamsLost(str(error)) from error


class EchoJobs:
    """Says how many seconds it was given; a first sample of 666 makes it fail, 667 fill the device."""

    longest_context = 0
    rest = 0

    def __init__(self, clock: ManualClock, variant: str = "accurate", room: int = 99) -> None:
        self._clock, self.room = clock, room
        self.sizes: list[int] = []
        self.info = ModelInfo(variant, f"echo-{variant}", "echo", ("en",), Features().flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        self.sizes.append(len(jobs))
        self._clock.spend(1.0)
        firsts = [round(float(job.audio[0]) * 32768) for job in jobs]
        if len(jobs) > self.room or 667 in firsts:
            raise OutOfMemory("no room")
        if 666 in firsts:
            raise RuntimeError("cursed")
        return [Transcript(f"{len(job.audio) / SECOND:g}") for job in jobs]


def stage_of(*engines: Any, clock: ManualClock, max_batch: int = 4) -> AsrStage:
    return AsrStage({e.info.variant: e for e in engines}, max_batch, CHUNK, clock)


def words(start: int, *values: int, session: str = "s") -> Packet:
    return audio(start * CHUNK, pcm(np.repeat(values, CHUNK)), session)


def end(chunk: float, kind: str = "end", **more: Any) -> UtteranceEnd:
    return speech_end(round(chunk * CHUNK), kind, **more)  # type: ignore[arg-type]


def texts(said: list[Packet]) -> list[tuple[str, str]]:
    return [("final" if h.final else "partial", h.text) for h in of_type(Hypothesis, said)]


def run(stage: AsrStage, clock: ManualClock, *history: Message | Packet) -> list[Packet]:
    return [packet for message in history for packet in play(stage, at_once(message), clock)]


def test_a_stream_grows_chunk_by_chunk_and_ends_with_its_rest() -> None:
    clock = ManualClock()
    engine = EchoStream(clock)
    stage = stage_of(engine, clock=clock)
    said = run(
        stage,
        clock,
        opened(),
        speech_start(),
        words(0, 1, 2),
        words(2, 3),
        end(2.5, until=2 * CHUNK),
        close(),
    )
    assert texts(said) == [
        ("partial", "w1"),
        ("partial", "w1 w2"),
        ("partial", "w1 w2 w3"),
        ("final", "w1 w2 w3"),
    ]
    assert isinstance(said[-1][0], Close)
    assert not engine.heard


def test_a_stream_says_what_its_text_says_once_it_has_all_of_the_speech() -> None:
    clock = ManualClock()
    stage = stage_of(EchoStream(clock), clock=clock)
    begun = run(stage, clock, opened(min_silence_ms="auto"), speech_start(), words(0, 1, 2))
    pause = [end(2, kind, until=round(k * CHUNK)) for kind, k in (("eager", 2.2), ("likely", 2.4))]
    said = run(stage, clock, *pause, words(2, 3))
    assert of_type(TextEnd, begun) == []
    assert of_type(TextEnd, said) == [text_end(2 * CHUNK, None)]
    later = run(stage, clock, words(3, *range(4, 12)))
    assert len(of_type(TextEnd, later)) == 3  # a second behind it the silence is over, or the utterance
    assert of_type(TextEnd, run(stage, clock, end(11), close())) == []


def test_a_chunk_that_changes_nothing_is_no_partial() -> None:
    clock = ManualClock()

    class Silent(EchoStream):
        def _step(self, job: Chunk) -> Transcript:
            super()._step(job)
            return Transcript("same")

    said = run(stage_of(Silent(clock), clock=clock), clock, opened(), speech_start(), words(0, 1, 2, 3))
    assert texts(said) == [("partial", "same")]


def test_whoever_has_a_chunk_ready_goes_into_the_next_step() -> None:
    clock, names = ManualClock(), "abcde"
    engine = EchoStream(clock, seconds=0.1)
    stage = stage_of(engine, clock=clock)
    run(stage, clock, *map(opened, names), *[speech_start(session=name) for name in names])
    play(stage, at_once(*[words(0, 1, session=name) for name in names]), clock)
    assert [len(step) for step in engine.steps] == [4, 1]


def test_a_session_with_much_to_do_does_not_starve_another() -> None:
    clock = ManualClock()
    engine = EchoStream(clock, seconds=0.1)
    stage = stage_of(engine, clock=clock, max_batch=2)
    run(stage, clock, *map(opened, "ab"), *[speech_start(session=name) for name in "ab"])
    backlog = words(0, *range(1, 21), session="a")
    play(stage, at_once(backlog, words(0, 1, session="b")), clock)
    assert [len(set(step)) for step in engine.steps] == [2] + [1] * 19


def test_a_cut_goes_on_in_a_new_stream_from_where_it_says() -> None:
    clock = ManualClock()
    engine = EchoStream(clock)
    stage = stage_of(engine, clock=clock)
    cut = end(3, "cut", resume=2 * CHUNK)
    said = run(
        stage, clock, opened(), speech_start(), words(0, 1, 2, 3, 4), cut, words(4, 5), end(5, utterance=2)
    )
    finals = [h for h in of_type(Hypothesis, said) if h.final]
    assert [(f.text, f.start, f.overlaps) for f in finals] == [
        ("w1 w2 w3 w4", 0, False),  # what it had heard already can't be taken back
        ("w3 w4 w5", 2 * CHUNK, True),
    ]


def test_a_session_that_is_gone_frees_its_streams() -> None:
    clock = ManualClock()
    engine = EchoStream(clock)
    stage = stage_of(engine, clock=clock)
    run(stage, clock, opened(), speech_start(), words(0, 1, 2), close(reason="gone"))
    assert len(engine.dropped) == 1
    assert not engine.heard


def test_a_client_that_leaves_before_its_last_final_gets_none_and_frees_its_streams() -> None:
    clock = ManualClock()
    engine = EchoStream(clock)
    stage = stage_of(engine, clock=clock)
    run(stage, clock, opened(), speech_start(), words(0, 1, 2))
    said = play(stage, at_once(words(2, 3), end(3), close(), close(reason="gone")), clock)
    assert [m.reason for m in of_type(Close, said)] == ["gone"]
    assert len(engine.dropped) == 1
    assert not engine.heard
    assert not stage.busy


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3 * CHUNK), min_size=1, max_size=12), st.integers(0, CHUNK))
def test_a_stream_is_fed_every_sample_once(pieces: list[int], less: int) -> None:
    clock = ManualClock()
    engine = EchoStream(clock)
    stage = stage_of(engine, clock=clock)
    samples = (np.arange(sum(pieces)) % 30_000) + 1
    packets, at = [], 0
    for size in pieces:
        packets.append(audio(at, pcm(samples[at : at + size])))
        at += size
    until = max(1, at - less)
    said = run(stage, clock, opened(), speech_start(), *packets, speech_end(until), close(at))
    (fed,) = engine.all.values()
    assert len(fed) >= until
    assert fed == samples[: len(fed)].tolist()
    assert of_type(Hypothesis, said)[-1].final


def test_progress_follows_what_the_engine_has_heard() -> None:
    clock = ManualClock()
    stage = stage_of(EchoStream(clock), clock=clock)
    said = run(stage, clock, opened(), speech_start(), words(0, 1, 2, 3, 4))
    assert of_type(AudioProcessed, said)[-1].processed == 4 * CHUNK


def test_sessions_get_the_engine_of_their_model() -> None:
    clock = ManualClock()
    stage = stage_of(EchoStream(clock), EchoJobs(clock), clock=clock)
    said = run(stage, clock, opened("a"), opened("b", model="accurate"), opened("c", model="echo-accurate"))
    models = [e["model"] for e in json_events(said)]
    assert models == ["echo-stream", "echo-accurate", "echo-accurate"]
    (failed,) = of_type(SessionFailed, run(stage, clock, opened("d", model="other")))
    assert "fast (echo-stream), accurate (echo-accurate)" in failed.message


def test_two_engines_take_turns_by_age() -> None:
    clock = ManualClock()
    stream, jobs = EchoStream(clock, seconds=0.3), EchoJobs(clock)
    stage = stage_of(stream, jobs, clock=clock)
    run(stage, clock, opened("a"), opened("b", model="accurate"), speech_start(session="a"))
    run(stage, clock, speech_start(session="b"), words(0, 1, 2, session="b"))
    begin = clock.now / 1e9
    history: list[Moment] = [(begin, end(2, session="b")), (begin + 0.1, words(0, 1, session="a"))]
    said = play(stage, history, clock)
    assert [h.session for h in of_type(Hypothesis, said)] == ["b", "a"]


def test_partials_of_one_engine_wait_for_finals_of_another() -> None:
    clock = ManualClock()
    fast = EchoJobs(clock, "fast")
    fast.info = replace(fast.info, features=Features(interim_results=True).flags())
    stage = stage_of(fast, EchoJobs(clock), clock=clock)
    run(stage, clock, opened("a"), opened("b", model="accurate"), speech_start(session="a"))
    run(stage, clock, speech_start(session="b"), words(0, 1, 2, session="b"))
    begin = clock.now / 1e9
    history: list[Moment] = [(begin, words(0, 1, 2, session="a")), (begin + 0.1, end(2, session="b"))]
    history += [(begin + 0.1, words(2 + 2 * k, 1, 2, session="a")) for k in range(2)]
    said = play(stage, history, clock)
    assert [h.session for h in of_type(Hypothesis, said)] == ["a", "b", "a"]


def say(stage: AsrStage, clock: ManualClock, session: str, first: int, utterance: int = 1) -> list[Packet]:
    """One utterance of a second that begins with a sample of that value."""
    at = (utterance - 1) * SECOND
    samples = np.full(SECOND, 5)
    samples[0] = first
    return run(
        stage,
        clock,
        speech_start(utterance, at, session),
        audio(at, pcm(samples), session),
        speech_end(at + SECOND, utterance=utterance, session=session),
    )


@pytest.mark.parametrize(("kind", "model"), [(EchoJobs, "accurate"), (EchoStream, "fast")])
def test_the_language_that_a_client_changes_to_is_that_of_the_next_utterance(kind: Any, model: str) -> None:
    clock, heard = ManualClock(), list[str | None]()
    engine = kind(clock)
    engine.info = replace(engine.info, languages=("de", "en"))
    transcribe = engine.transcribe

    def listen(jobs: Sequence[Any]) -> list[Transcript]:
        heard.extend(job.language for job in jobs)
        return transcribe(jobs)  # type: ignore[no-any-return]

    engine.transcribe = listen
    stage = stage_of(engine, clock=clock)
    said = run(stage, clock, opened(model=model, language="en"))
    said += run(stage, clock, speech_start(), words(0, 1, 2, 3, 4), configure(language="de"), end(4))
    said += say(stage, clock, "s", 1, 2) + run(stage, clock, configure(language="xx"))
    said += run(stage, clock, configure(language="xx", min_silence_ms=500))  # it is told once
    said += say(stage, clock, "s", 1, 3) + run(stage, clock, configure(language="auto"))
    said += say(stage, clock, "s", 1, 4)
    assert [code for code, before in zip(heard, [0, *heard], strict=False) if code != before] == [
        "en",
        "de",
        None,
    ]
    (error,) = json_events(said, "error")
    assert (error["code"], error["recoverable"]) == ("invalid_message", True)
    assert error["message"].endswith("does not know xx; it knows auto, de, en")


def test_audio_on_which_the_engine_fails_costs_one_session_one_utterance() -> None:
    clock = ManualClock()
    stage = stage_of(EchoJobs(clock, "fast"), clock=clock)
    run(stage, clock, opened("a"), opened("b"))
    said = say(stage, clock, "a", 666) + say(stage, clock, "b", 1) + say(stage, clock, "a", 1, 2)
    assert [e.session for e in of_type(EncodedEvent, said)] == ["a"]
    assert [(e["type"], e["recoverable"]) for e in json_events(said)] == [("error", True)]
    assert [(h.session, h.text) for h in of_type(Hypothesis, said)] == [("a", ""), ("b", "1"), ("a", "1")]


def test_a_step_that_fails_half_way_costs_one_session_its_utterance_and_the_others_no_word() -> None:
    clock, names = ManualClock(), "abcd"
    engine = FragileStream(clock)
    stage = stage_of(engine, clock=clock)
    run(stage, clock, *map(opened, names), *[speech_start(session=name) for name in names])
    said = []
    for at in range(6):
        values = {name: 32_000 if (name, at) == ("c", 3) else at + 1 for name in names}
        said += play(stage, at_once(*[words(at, values[name], session=name) for name in names]), clock)
    said += run(stage, clock, *[end(6, session=name) for name in names])
    finals = {h.session: h.text for h in of_type(Hypothesis, said) if h.final}
    assert finals == dict.fromkeys("abd", "w1 w2 w3 w4 w5 w6") | {"c": ""}
    assert [e.session for e in of_type(EncodedEvent, said) if e.kind == "error"] == ["c"]
    partials = [h.text for h in of_type(Hypothesis, said) if h.session == "a" and not h.final]
    assert partials == [" ".join(f"w{k}" for k in range(1, n + 1)) for n in range(1, 7)]
    assert not engine.heard


def test_a_step_that_fails_once_costs_nobody_a_word_whether_its_utterance_has_ended_or_not() -> None:
    clock = ManualClock()

    class FailsOnce(FragileStream):
        def _step(self, job: Chunk) -> Transcript:
            transcript = super()._step(job)
            if len(self.steps) == 8:
                raise RuntimeError("the last of several in step 8")
            return transcript

    engine = FailsOnce(clock)
    stage = stage_of(engine, clock=clock)
    run(stage, clock, opened("a"), opened("b"), speech_start(session="a"), speech_start(session="b"))
    said = run(stage, clock, words(0, *range(1, 8), session="a"))  # seven steps
    ends = end(8, session="a"), words(0, *range(1, 4), session="b")
    said += play(stage, at_once(words(7, 8, session="a"), *ends), clock)
    said += run(stage, clock, end(3, session="b"))
    finals = {h.session: h.text for h in of_type(Hypothesis, said) if h.final}
    assert len(engine.steps[7]) == 2
    assert finals == {"a": " ".join(f"w{k}" for k in range(1, 9)), "b": "w1 w2 w3"}
    assert not of_type(EncodedEvent, said)


def test_three_failures_in_a_row_end_the_session() -> None:
    clock = ManualClock()
    stage = stage_of(EchoJobs(clock, "fast"), clock=clock)
    run(stage, clock, opened())
    for utterance in (1, 2):
        assert not of_type(SessionFailed, say(stage, clock, "s", 666, utterance))
    (failed,) = of_type(SessionFailed, say(stage, clock, "s", 666, 3))
    assert failed.code == "internal"


@pytest.mark.parametrize(("kind", "poison"), [(EchoJobs, 666), (EchoStream, 32_000)])
def test_an_utterance_that_failed_has_its_flush_answered_and_speech_behind_its_cut_heard(
    kind: Any, poison: int
) -> None:
    clock = ManualClock()
    stage = stage_of(kind(clock), clock=clock)

    def fail(utterance: int, at: int) -> list[Packet]:
        beginning = speech_start(utterance, at), audio(at, pcm(np.full(SECOND, poison)))
        return run(stage, clock, *beginning, speech_end(at + 100, "likely", utterance=utterance))

    model = "accurate" if kind is EchoJobs else "fast"
    said = [*run(stage, clock, opened(model=model)), *fail(1, 0)]
    assert [e.kind for e in of_type(EncodedEvent, said)] == ["session.begin", "error"]
    said = run(stage, clock, speech_end(SECOND, "cut"), audio(SECOND, pcm(np.full(SECOND, 5))))
    said += run(stage, clock, speech_end(2 * SECOND, "flush", utterance=2, flush_id="x"))
    (final,) = (h for h in of_type(Hypothesis, said) if h.final)
    assert (final.utterance, final.flush_id) == (2, "x")
    assert final.text
    fail(3, 2 * SECOND)
    said = run(stage, clock, speech_end(3 * SECOND, "flush", utterance=3, flush_id="y"))
    assert [f.flush_id for f in of_type(Flush, said)] == ["y"]


@pytest.mark.parametrize(("kind", "poison"), [(EchoJobs, 666), (EchoStream, 32_000)])
def test_an_utterance_that_fails_before_its_end_has_ended_there(kind: Any, poison: int) -> None:
    clock = ManualClock()
    stage = stage_of(kind(clock), clock=clock)
    begin = opened(model="accurate" if kind is EchoJobs else "fast"), speech_start(at=SECOND)
    said = run(stage, clock, *begin, audio(SECOND, pcm(np.full(SECOND, poison))), end(4.4, "likely"))
    kinds = [type(m) for m, _ in said if isinstance(m, EncodedEvent | Hypothesis)]
    assert kinds == [EncodedEvent, EncodedEvent, Hypothesis]
    (last,) = of_type(Hypothesis, said)
    assert (last.final, last.text, last.start, last.flush_id) == (True, "", SECOND, None)
    assert SECOND <= last.end == last.decided <= 2 * SECOND
    assert not of_type(Hypothesis, run(stage, clock, end(8), close()))


def test_what_was_promised_of_an_utterance_that_fails_is_not_said_in_the_next_one() -> None:
    class Counting(EchoStream):
        """Says the numbers from what it hears first up to what it hears last."""

        def _step(self, job: Chunk) -> Transcript:
            first, *_, last = (int(word[1:]) for word in super()._step(job).text.split() * 2)
            return Transcript(" ".join(f"n{k}" for k in range(first, last + 6)))

    clock = ManualClock()
    stage, assembler = stage_of(Counting(clock), clock=clock), AssemblerStage(clock)
    said = run(stage, clock, opened(), speech_start())
    said += run(stage, clock, *[words(k, k + 1) for k in range(5)], words(5, 32_000), end(8))
    said += run(stage, clock, speech_start(2, 8 * CHUNK), words(8, 51, 52), end(10, utterance=2), close())
    events = json_events(play(assembler, at_once(*said), clock), "transcript.final")
    finals = [(e["utterance"], e["text"]) for e in events]
    assert finals == [(1, "N1"), (2, " ".join(f"n{k}" for k in range(51, 58)))]


def test_a_success_in_between_forgives() -> None:
    clock = ManualClock()
    stage = stage_of(EchoJobs(clock, "fast"), clock=clock)
    run(stage, clock, opened())
    firsts = [666, 666, 1, 666, 666]
    said = [p for n, first in enumerate(firsts, 1) for p in say(stage, clock, "s", first, n)]
    assert not of_type(SessionFailed, said)


def test_only_the_job_that_makes_the_engine_raise_fails() -> None:
    inference = Inference(EchoJobs(ManualClock()), 4)
    jobs = [Job(np.full(SECOND, value / 32768, np.float32)) for value in (1, 666, 2)]
    kinds = Counter(type(result) for result in inference.run_batch(jobs))
    assert kinds == {Transcript: 2, Failure: 1}


def test_a_batch_that_does_not_fit_is_halved_and_the_next_ones_are_as_small() -> None:
    engine = EchoJobs(ManualClock(), room=2)
    inference = Inference(engine, 8)
    jobs = [Job(np.ones(SECOND, np.float32))] * 7
    assert all(isinstance(result, Transcript) for result in inference.run_batch(jobs))
    assert inference.max_batch == 2
    assert engine.sizes == [7, 4, 2, 2, 3, 2, 1]


def test_batches_grow_back_one_by_one_when_the_device_has_room_again() -> None:
    engine = EchoJobs(ManualClock(), room=2)
    inference = Inference(engine, 4)
    jobs = [Job(np.ones(SECOND, np.float32))] * 4
    inference.run_batch(jobs)
    for _ in range(GROW_AFTER + 1):
        inference.run_batch(jobs[: inference.max_batch])
    assert (engine.sizes.count(3), inference.max_batch) == (1, 2)  # it was tried, and there is no room yet
    engine.room = 4
    sizes = []
    for _ in range(3 * GROW_AFTER):
        inference.run_batch(jobs[: inference.max_batch])
        sizes.append(inference.max_batch)
    assert sorted(sizes) == sizes
    assert Counter(sizes)[3] == GROW_AFTER
    assert sizes[-1] == 4


def test_batches_that_are_smaller_than_the_device_holds_say_nothing_of_its_room() -> None:
    engine = EchoJobs(ManualClock(), room=2)
    inference = Inference(engine, 4)
    jobs = [Job(np.ones(SECOND, np.float32))] * 4
    inference.run_batch(jobs)
    for _ in range(2 * GROW_AFTER):
        inference.run_batch(jobs[:1])
    assert inference.max_batch == 2


def test_a_device_that_is_lost_is_no_matter_of_one_session() -> None:
    clock = ManualClock()
    engine = EchoJobs(clock, "fast")

    def lose(jobs: Sequence[Job]) -> list[Transcript]:
        raise DeviceLost("unspecified launch failure")

    engine.transcribe = lose  # type: ignore[method-assign]
    stage = stage_of(engine, clock=clock)
    run(stage, clock, opened())
    with pytest.raises(DeviceLost):
        say(stage, clock, "s", 1)


@pytest.mark.parametrize(("kind", "model"), [(EchoJobs, "accurate"), (EchoStream, "fast")])
def test_an_engine_that_fails_on_what_it_could_do_before_has_lost_its_device(kind: Any, model: str) -> None:
    clock = ManualClock()
    engine = kind(clock)
    stage = stage_of(engine, clock=clock)
    stage.check_devices()
    run(stage, clock, opened("a", model=model), opened("b", model=model))
    assert not json_events(say(stage, clock, "a", 1), "error")

    def fail(jobs: Sequence[Any]) -> list[Transcript]:
        raise RuntimeError("the device answers nothing")

    engine.transcribe = fail
    with pytest.raises(DeviceLost, match="fails on everything: RuntimeError: the device answers nothing"):
        say(stage, clock, "b", 1)
    with pytest.raises(DeviceLost):
        stage.check_devices()


def test_one_alone_that_does_not_fit_fails_and_the_others_live() -> None:
    clock = ManualClock()
    engine = EchoJobs(clock, "fast")
    stage = stage_of(engine, clock=clock)
    run(stage, clock, *map(opened, "ab"))
    said = say(stage, clock, "a", 667) + say(stage, clock, "b", 1)
    assert "too little memory" in json_events(said)[0]["message"]
    assert [h.text for h in of_type(Hypothesis, said)] == ["", "1"]
