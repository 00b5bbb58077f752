"""The ASR stage with an engine that says what audio it was given: order, urgency, guesses, context."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Job, Transcript
from engines.silero import WINDOW
from stages.asr.stage import AsrStage
from stages.asr.utterance_session import PARTIAL_REST
from stages.channels import Packet
from stages.messages import (
    Audio,
    AudioProcessed,
    Close,
    Configure,
    Flush,
    Hypothesis,
    Message,
    SessionFailed,
    Silence,
    TextEnd,
    UtteranceEnd,
    UtteranceStart,
)
from tests.support.builders import (
    ROUTE,
    SECOND,
    audio,
    close,
    configure,
    flush,
    opened,
    pcm,
    speech_end,
    speech_start,
    text_end,
)
from tests.support.play import ManualClock, at_once, json_events, of_type, play

UNIT = SECOND // 4  # samples for which the echo says one word
EARLY = 2 * UNIT + UNIT // 3  # where a pause behind two words is worth a first guess


class EchoEngine:
    """Says the value of every quarter of a second that it hears, `w7` for a quarter of sevens.

    A quarter of zeros, or less than half a quarter, is no word. `seconds` is what a pass takes.
    """

    def __init__(
        self, clock: ManualClock, seconds: float = 0.0, longest_context: int = 0, rest: int = 0
    ) -> None:
        self._clock, self._seconds = clock, seconds
        self.longest_context, self.rest = longest_context, rest
        self.batches: list[list[Job]] = []
        self.by_length: dict[int, str] = {}  # what it says instead of audio of a length
        self.with_prefix: tuple[int, ...] | None = None  # what it says instead where it has a context
        self.info = ModelInfo("fast", "echo", "echo", ("en",), Features(interim_results=True).flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        self.batches.append(list(jobs))
        self._clock.spend(self._seconds)
        return [self._transcript(job) for job in jobs]

    def _transcript(self, job: Job) -> Transcript:
        _, said = self.hear(job)
        if text := self.by_length.get(len(job.audio)):
            return Transcript(text)
        mine = said[len(job.prefix) :]
        if job.prefix and self.with_prefix is not None:
            mine = self.with_prefix
        return Transcript(" ".join(f"w{value}" for value in mine), mine)

    def hear(self, job: Job) -> tuple[str, tuple[int, ...]]:
        values = np.round(job.audio * 32768).astype(int)
        groups = np.split(values, np.flatnonzero(np.diff(values)) + 1)
        said = tuple(
            int(group[0])
            for group in groups
            if len(group) and group[0]
            for _ in range(round(len(group) / UNIT))
        )
        return " ".join(f"w{value}" for value in said), said

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


class AsrBench:
    """A stage, its engine and its clock."""

    def __init__(
        self, seconds: float = 0.0, max_batch: int = 4, longest_context: int = 0, rest: int = 0
    ) -> None:
        self.clock = ManualClock()
        self.engine = EchoEngine(self.clock, seconds, longest_context, rest)
        self.stage = AsrStage({"fast": self.engine}, max_batch, UNIT, self.clock)

    def play(self, *history: Message | Packet) -> list[Packet]:
        """Everything comes at once."""
        return play(self.stage, at_once(*history), self.clock)

    def one_by_one(self, *history: Message | Packet) -> list[Packet]:
        """Each comes when all before it has been dealt with."""
        return [packet for message in history for packet in self.play(message)]


def words(start: int, *values: int, session: str = "s") -> Packet:
    """A quarter of a second for each value, from quarter `start` on."""
    return audio(start * UNIT, pcm(np.repeat(values, UNIT)), session)


def texts(said: list[Packet]) -> list[tuple[str, str]]:
    """Partials and finals, in order."""
    return [("final" if h.final else "partial", h.text) for h in of_type(Hypothesis, said)]


def finals(said: list[Packet]) -> list[str]:
    return [h.text for h in of_type(Hypothesis, said) if h.final]


def end(quarter: int, kind: str = "end", utterance: int = 1, **more: object) -> UtteranceEnd:
    return speech_end(quarter * UNIT, kind, utterance=utterance, **more)  # type: ignore[arg-type]


def test_an_utterance_becomes_partials_and_a_final() -> None:
    bench = AsrBench()
    said = bench.one_by_one(opened(), speech_start(), words(0, 1, 2), words(2, 3), end(3), close(3 * UNIT))
    assert texts(said) == [("partial", "w1 w2"), ("partial", "w1 w2 w3"), ("final", "w1 w2 w3")]
    last = of_type(Hypothesis, said)[-1]
    assert (last.start, last.end, last.decided, last.utterance) == (0, 3 * UNIT, 3 * UNIT, 1)
    assert isinstance(said[-1][0], Close)


def test_only_the_newest_partial_of_a_session_is_worth_computing() -> None:
    bench = AsrBench(seconds=1.0)
    history = [(0.0, opened()), (0.0, speech_start())]
    said = play(
        bench.stage,
        [*history, *[(k / 4, words(k, k + 1)) for k in range(9)]],  # type: ignore[list-item]
        bench.clock,
    )
    assert texts(said) == [
        ("partial", "w1 w2"),
        ("partial", "w1 w2 w3 w4 w5 w6"),
        ("partial", "w1 w2 w3 w4 w5 w6 w7 w8 w9"),
    ]


def test_audio_that_is_too_short_or_brings_too_little_gets_no_partial() -> None:
    bench = AsrBench()
    half = pcm(np.full(UNIT // 2, 3))
    said = bench.one_by_one(
        opened(),
        speech_start(),
        words(0, 1),
        words(1, 2),
        audio(2 * UNIT, half),
        audio(2 * UNIT + UNIT // 2, half),
    )
    assert texts(said) == [("partial", "w1 w2"), ("partial", "w1 w2 w3")]


@pytest.mark.parametrize(("windows", "partials"), [(UNIT // WINDOW, 2), (UNIT // WINDOW - 1, 1)])
def test_a_window_of_the_vad_that_is_not_full_yet_holds_up_no_partial(windows: int, partials: int) -> None:
    bench = AsrBench()
    more = audio(2 * UNIT, pcm(np.full(windows * WINDOW, 3)))
    assert len(texts(bench.one_by_one(opened(), speech_start(), words(0, 1, 2), more))) == partials


def test_finals_come_before_partials_and_likely_finals() -> None:
    bench, names = AsrBench(max_batch=1), "abc"
    bench.play(*map(opened, names), *[speech_start(session=name) for name in names])
    said = bench.play(
        words(0, 1, 1, session="a"),
        words(0, 2, 2, session="b"),
        end(2, "likely", session="b"),
        words(0, 3, 3, session="c"),
        end(2, session="c"),
    )
    assert texts(said) == [("final", "w3 w3"), ("partial", "w2 w2"), ("partial", "w1 w1")]


def test_what_queued_while_the_engine_was_busy_is_one_batch() -> None:
    bench, names = AsrBench(seconds=1.0, max_batch=4), "abcdef"
    bench.play(*map(opened, names), *[speech_start(session=name) for name in names])
    begin = bench.clock.now / 1e9
    play(
        bench.stage,
        [(begin + 0.1 * k, words(0, 1, 1, session=name)) for k, name in enumerate(names)],
        bench.clock,
    )
    assert bench.engine.sizes == [1, 4, 1]


def test_no_forward_pass_has_more_than_max_batch_sessions() -> None:
    bench, names = AsrBench(max_batch=3), [f"s{k}" for k in range(7)]
    bench.play(*map(opened, names), *[speech_start(session=name) for name in names])
    bench.play(*[words(0, 1, 1, session=name) for name in names])
    assert bench.engine.sizes == [3, 3, 1]


def test_the_result_of_a_likely_end_becomes_the_final_without_a_second_decode() -> None:
    bench = AsrBench()
    bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 0), end(2, "likely", until=3 * UNIT))
    decodes = len(bench.engine.batches)
    said = bench.play(words(3, 0), end(2, until=3 * UNIT))
    assert texts(said) == [("final", "w1 w2")]
    assert len(bench.engine.batches) == decodes
    assert of_type(Hypothesis, said)[0].inference_ns == 0


def test_a_flush_in_a_pause_takes_the_likely_end_too() -> None:
    bench = AsrBench()
    bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 0), end(2, "likely", until=3 * UNIT))
    decodes = len(bench.engine.batches)
    said = bench.play(end(2, "flush", until=3 * UNIT, flush_id="x"))
    assert [(h.text, h.flush_id) for h in of_type(Hypothesis, said)] == [("w1 w2", "x")]
    assert len(bench.engine.batches) == decodes


@pytest.mark.parametrize("later", [[], [end(2, "likely", until=3 * UNIT)]], ids=["alone", "overtaken"])
def test_a_flush_takes_what_was_guessed_in_a_shorter_pause(later: list[Message]) -> None:
    bench = AsrBench()
    bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 0), end(2, "eager", until=EARLY))
    decodes = len(bench.engine.batches)
    said = bench.play(*later, end(2, "flush", until=3 * UNIT if later else EARLY, flush_id="x"))
    assert [(h.text, h.end, h.flush_id) for h in of_type(Hypothesis, said)] == [("w1 w2", 2 * UNIT, "x")]
    assert len(bench.engine.batches) == decodes


def test_a_guess_is_patient_where_a_shorter_pause_has_been_decoded() -> None:
    bench = AsrBench()
    stage = bench.stage
    early, maybe = end(2, "eager", until=EARLY), end(2, "likely", until=3 * UNIT)
    bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 0), early)
    list(stage.handle(maybe, b"", 0))
    assert (stage.busy, stage.patient) == (True, True)
    list(stage.handle(opened("other"), b"", 0))
    list(stage.handle(speech_start(session="other"), b"", 0))
    list(stage.handle(*words(0, 1, 1, session="other"), 0))
    assert not stage.patient


def test_an_end_does_not_take_what_was_guessed_in_a_shorter_pause() -> None:
    bench = AsrBench()
    said = bench.one_by_one(
        opened(),
        speech_start(),
        words(0, 1, 2, 8),
        end(2, "eager", until=EARLY),
        end(2, "likely", until=3 * UNIT),
        end(2, until=3 * UNIT),
    )
    assert texts(said)[-3:] == [("partial", "w1 w2"), ("partial", "w1 w2 w8"), ("final", "w1 w2 w8")]


def test_an_engine_that_is_too_slow_for_partials_guesses_once() -> None:
    bench = AsrBench()
    bench.engine.info = ModelInfo("fast", "slow", "slow", ("en",), Features().flags())
    bench.stage = AsrStage({"fast": bench.engine}, 4, UNIT, bench.clock)
    pause = [end(2, "eager", until=EARLY), end(2, "likely", until=3 * UNIT)]
    said = bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 0), *pause, end(2, until=3 * UNIT))
    assert (texts(said), bench.engine.sizes) == ([("final", "w1 w2")], [1])


def test_the_guess_of_a_shorter_pause_is_the_draft_of_the_next() -> None:
    bench = AsrBench(longest_context=20 * UNIT)
    first: list[Message | Packet] = [speech_start(), words(0, 1, 2, 0), end(2, until=3 * UNIT)]
    second: list[Message | Packet] = [
        speech_start(2, 3 * UNIT),
        words(3, 3, 0),
        *(end(4, k, 2, until=5 * UNIT) for k in ("eager", "likely")),
    ]
    bench.one_by_one(opened(word_timestamps=True), *first, *second)
    last = bench.engine.batches[-1][0]
    assert (last.prefix, last.draft) == ((1, 2), (3,))
    assert len(last.audio) - last.context == 2 * UNIT  # What is before the utterance is said, for its times.


def test_guesses_of_shorter_pauses_leave_others_their_turn() -> None:
    bench, names = AsrBench(max_batch=1), "ab"
    bench.play(*map(opened, names), *[speech_start(session=name) for name in names])
    said = bench.play(
        words(0, 1, 0, session="a"),
        end(1, "eager", until=2 * UNIT, session="a"),
        words(0, 2, 0, session="b"),
        end(1, "likely", until=2 * UNIT, session="b"),
    )
    assert texts(said) == [("partial", "w2"), ("partial", "w1")]


def test_speech_that_goes_on_after_a_likely_end_is_decoded_again() -> None:
    bench = AsrBench()
    said = bench.one_by_one(
        opened(), speech_start(), words(0, 1, 2, 0), end(2, "likely", until=3 * UNIT), words(3, 4, 5), end(5)
    )
    assert texts(said) == [
        ("partial", "w1 w2"),
        ("partial", "w1 w2"),
        ("partial", "w1 w2 w4 w5"),
        ("final", "w1 w2 w4 w5"),
    ]


def test_the_final_holds_the_audio_up_to_its_end_only() -> None:
    bench = AsrBench()
    said = bench.play(opened(), speech_start(), words(0, 1, 2, 0, 9), end(2, until=3 * UNIT))
    assert finals(said) == ["w1 w2"]


def test_a_cut_carries_the_overlap_over() -> None:
    bench = AsrBench()
    said = bench.one_by_one(
        opened(),
        speech_start(),
        words(0, 1, 2, 3, 4),
        end(3, "cut", resume=2 * UNIT),
        words(4, 5),
        end(5, utterance=2),
    )
    cut, last = [h for h in of_type(Hypothesis, said) if h.final]
    assert (cut.text, cut.start, cut.end, cut.overlaps) == ("w1 w2 w3", 0, 3 * UNIT, False)
    assert (last.text, last.start, last.utterance, last.overlaps) == ("w3 w4 w5", 2 * UNIT, 2, True)
    assert [e.utterance for e in of_type(UtteranceEnd, said)] == [2]  # speech went on at the cut


@pytest.mark.parametrize("interim_results", [True, False])
def test_a_word_that_a_cut_broke_is_left_to_the_utterance_behind_it(interim_results: bool) -> None:
    bench = AsrBench()
    heard = {4 * UNIT: "evil in the Sudan.", 6 * UNIT: "evil in the superlative"}
    bench.engine.by_length = heard
    cut: list[Message | Packet] = [end(4, "cut", resume=3 * UNIT), words(6, 7)]
    said = bench.play(opened(interim_results=interim_results), speech_start(), words(0, *range(1, 7)), *cut)
    assert finals(said) == ["evil in the"]


def test_speech_that_goes_on_behind_a_stall_is_an_utterance_that_overlaps() -> None:
    bench = AsrBench()
    again = speech_start(2, at=4 * UNIT, overlaps=True)
    said = bench.one_by_one(opened(), speech_start(), words(0, 1, 2, 3, 4), end(4), again)
    said += bench.one_by_one(words(3, 4, 5, 6), end(7, utterance=2))
    assert finals(said) == ["w1 w2 w3 w4", "w4 w5 w6"]
    assert [h.overlaps for h in of_type(Hypothesis, said) if h.final] == [False, True]


def test_a_degraded_session_gets_a_third_of_the_partials_and_lets_others_go_first() -> None:
    counts = []
    for degraded in (False, True):
        bench = AsrBench()
        said = bench.one_by_one(
            opened(degraded=degraded), speech_start(), *[words(k, k + 1) for k in range(12)], end(12)
        )
        assert finals(said) == [" ".join(f"w{k}" for k in range(1, 13))]
        counts.append(len(texts(said)) - 1)
    assert counts == [11, 4]
    bench = AsrBench(max_batch=1)
    both: list[Message | Packet] = [
        opened("a", degraded=True),
        opened("b"),
        speech_start(session="a"),
        speech_start(session="b"),
    ]
    said = bench.play(*both, words(0, 1, 2, 3, session="a"), words(0, 4, 5, 6, session="b"))
    assert [h.session for h in of_type(Hypothesis, said)] == ["b", "a"]


def test_of_audio_that_was_heard_before_only_the_newest_partial_is_decoded() -> None:
    bench = AsrBench()
    again = [words(k, k + 1) for k in range(8)]
    said = bench.one_by_one(opened(replayed=8 * UNIT), speech_start(), *again, words(8, 9), end(9))
    assert texts(said) == [
        ("partial", "w1 w2 w3 w4 w5 w6 w7 w8"),
        ("partial", "w1 w2 w3 w4 w5 w6 w7 w8 w9"),
        ("final", "w1 w2 w3 w4 w5 w6 w7 w8 w9"),
    ]


def test_a_flush_in_mid_word_is_answered_with_all_that_came() -> None:
    bench = AsrBench()
    said = bench.play(opened(), speech_start(), words(0, 1, 2), end(2, "flush", flush_id="x"))
    assert [(h.text, h.flush_id) for h in of_type(Hypothesis, said)] == [("w1 w2", "x")]
    said = bench.play(speech_start(2), words(2, 3), end(3, "flush", utterance=2, flush_id="y"))
    assert [(h.text, h.flush_id) for h in of_type(Hypothesis, said)] == [("w3", "y")]


def test_an_empty_flush_and_the_close_wait_for_the_finals_before_them() -> None:
    bench = AsrBench()
    bench.play(opened(), speech_start(), words(0, 1, 2))
    said = bench.play(end(2), flush("x"), configure(), flush("y"), close(2 * UNIT))
    kept = [m for m, _ in said if isinstance(m, Hypothesis | Flush | Configure | Close)]
    assert [type(m).__name__ for m in kept] == ["Hypothesis", "Flush", "Configure", "Flush", "Close"]
    assert [m.flush_id for m in kept if isinstance(m, Flush)] == ["x", "y"]


def test_boundaries_of_speech_do_not_wait() -> None:
    bench = AsrBench()
    said = bench.play(opened(), speech_start(), words(0, 1, 2), end(2), speech_start(2, 3 * UNIT))
    kinds = [type(m) for m, _ in said if isinstance(m, UtteranceStart | UtteranceEnd | Hypothesis)]
    assert kinds == [UtteranceStart, UtteranceEnd, UtteranceStart, Hypothesis]


def test_several_finals_of_a_session_keep_their_order() -> None:
    bench = AsrBench()
    said = bench.play(
        opened(), speech_start(), words(0, 1, 2), end(2), speech_start(2), words(2, 3), end(3, utterance=2)
    )
    assert finals(said) == ["w1 w2", "w3"]
    assert bench.engine.sizes == [1, 1]


def test_a_client_that_is_gone_is_forgotten_at_once() -> None:
    bench = AsrBench()
    bench.play(opened(), speech_start(), words(0, 1, 2))
    decodes = len(bench.engine.batches)
    said = bench.play(words(2, 3), end(3), close(3 * UNIT, "gone"))
    assert [type(m).__name__ for m, _ in said if not isinstance(m, AudioProcessed)] == [
        "UtteranceEnd",
        "Close",
    ]
    assert bench.stage._sessions == {}
    assert len(bench.engine.batches) == decodes
    others = bench.play(words(3, 4), end(4), flush(), close())
    assert [message for message, _ in others] == [close()]  # another stage may know it still


def test_the_end_forgets_the_session_behind_its_last_final() -> None:
    bench = AsrBench()
    said = bench.play(opened(), speech_start(), words(0, 1, 2), end(2, "flush"), close(2 * UNIT))
    assert isinstance(said[-1][0], Close)
    assert bench.stage._sessions == {}


def test_progress_counts_what_has_been_dealt_with() -> None:
    bench = AsrBench()
    said = bench.play(opened(), Silence("s", ROUTE, SECOND))
    assert [p.processed for p in of_type(AudioProcessed, said)] == [SECOND]
    said = bench.play(speech_start(2), words(4, 1, 2, 3, 4), end(6, utterance=2), words(8, 5))
    assert [p.processed for p in of_type(AudioProcessed, said)][-1] == 9 * UNIT


def test_progress_waits_for_the_oldest_final() -> None:
    bench = AsrBench()
    bench.play(opened(), speech_start())
    said = list(bench.stage.handle(*words(0, 1, 2, 3, 4), 0))
    assert [p.processed for p in of_type(AudioProcessed, said)] == [4 * UNIT]
    said = list(bench.stage.handle(end(4), b"", 0))
    for k in range(4, 12):
        said += bench.stage.handle(Silence("s", ROUTE, k * UNIT), b"", 0)
    assert of_type(AudioProcessed, said) == []
    assert [p.processed for p in of_type(AudioProcessed, bench.play())] == [11 * UNIT]


@pytest.mark.parametrize("interim_results", [True, False])
def test_partials_are_the_clients_choice(interim_results: bool) -> None:
    bench = AsrBench()
    said = bench.one_by_one(
        opened(interim_results=interim_results),
        speech_start(),
        words(0, 1, 2),
        end(2, "likely"),
        configure(interim_results=not interim_results),
        words(2, 3),
        end(3),
    )
    partials = [text for kind, text in texts(said) if kind == "partial"]
    assert partials == (["w1 w2", "w1 w2"] if interim_results else ["w1 w2 w3"])
    assert finals(said) == ["w1 w2 w3"]


def test_a_hypothesis_that_ran_into_its_limit_is_not_shown_but_stands_as_a_final() -> None:
    bench = AsrBench()
    hear = bench.engine.transcribe
    bench.engine.transcribe = lambda jobs: [  # type: ignore[method-assign]
        Transcript(t.text, t.tokens, cut_off=True) for t in hear(jobs)
    ]
    said = bench.one_by_one(opened(), speech_start(), words(0, 1, 2), end(2))
    assert texts(said) == [("final", "w1 w2")]


def test_the_last_hypothesis_is_the_draft_of_the_next() -> None:
    bench = AsrBench()
    bench.one_by_one(opened(), speech_start(), words(0, 1, 2), words(2, 3), end(3))
    assert [job.draft for (job,) in bench.engine.batches] == [(), (1, 2), (1, 2, 3)]


class TestContext:
    """A short utterance is decoded together with what was said before it.

    Without partials it is decoded alone too, so that it is known how many words it has.
    """

    @staticmethod
    def talk(*utterances: tuple[int, tuple[int, ...]], longest: int = 20) -> tuple[AsrBench, list[Packet]]:
        """Utterances of (first quarter, values), each decoded before the next begins."""
        bench = AsrBench(longest_context=longest * UNIT)
        said = bench.play(opened(interim_results=False))
        for number, (start, values) in enumerate(utterances, 1):
            last = end(start + len(values), utterance=number)
            said += bench.play(speech_start(number), words(start, *values), last)
        return bench, said

    def test_it_is_heard_in_context_and_its_words_are_split_off(self) -> None:
        bench, said = self.talk((0, (1, 2)), (4, (3,)), (6, (4, 5)))
        assert finals(said) == ["w1 w2", "w3", "w4 w5"]
        heard = [bench.engine.hear(job)[0] for (job,) in bench.engine.batches]
        assert heard == ["w1 w2", "w1 w2 w3", "w3", "w1 w2 w3 w4 w5", "w4 w5"]
        assert [job.prefix for (job,) in bench.engine.batches] == [(), (1, 2), (), (1, 2, 3), ()]
        assert [h.start for h in of_type(Hypothesis, said)] == [0, 4 * UNIT, 6 * UNIT]

    def test_repeated_words_are_not_lost(self) -> None:
        _, said = self.talk((0, (1, 1)), (3, (1, 1)), (6, (1,)))
        assert finals(said) == ["w1 w1", "w1 w1", "w1"]

    def test_a_pause_in_the_context_is_short(self) -> None:
        bench, _ = self.talk((0, (1, 2)), (9, (3,)))
        assert len(bench.engine.batches[1][0].audio) == 3 * UNIT + SECOND // 10

    @pytest.mark.parametrize("more", [{"resume": 5 * UNIT}, {"kind": "flush"}])
    def test_what_was_broken_off_inside_a_word_is_no_context(self, more: dict[str, Any]) -> None:
        bench = AsrBench(longest_context=20 * UNIT)
        said = bench.play(opened(interim_results=False), speech_start(1), words(0, 1, 2), end(2))
        said += bench.play(speech_start(2), words(4, 3, 4), end(6, utterance=2, **more))
        said += bench.play(speech_start(3), words(7, 5), end(8, utterance=3))
        assert finals(said) == ["w1 w2", "w3 w4", "w5"]
        assert [job.prefix for (job,) in bench.engine.batches] == [(), (1, 2), (), ()]

    def test_what_was_said_long_ago_is_no_context(self) -> None:
        bench, said = self.talk((0, (1, 2)), (11, (3,)))
        assert bench.engine.hear(bench.engine.batches[1][0])[0] == "w3"
        assert finals(said) == ["w1 w2", "w3"]

    def test_a_context_that_makes_it_too_long_is_left_out(self) -> None:
        bench, said = self.talk((0, (1, 2, 3)), (4, (4, 5, 6)), longest=6)
        assert bench.engine.hear(bench.engine.batches[1][0])[0] == "w4 w5 w6"
        assert finals(said) == ["w1 w2 w3", "w4 w5 w6"]

    def test_a_context_begins_anew_when_it_is_long(self) -> None:
        bench, said = self.talk((0, (1, 2, 3)), (3, (4, 5)), (5, (6,)), longest=8)
        assert [bench.engine.hear(job)[0] for (job,) in bench.engine.batches] == [
            "w1 w2 w3",
            "w1 w2 w3 w4 w5",
            "w4 w5",
            "w4 w5 w6",
            "w6",
        ]
        assert finals(said) == ["w1 w2 w3", "w4 w5", "w6"]

    @pytest.mark.parametrize(("until", "rest"), [(2, 3), (3, 2), (6, 0)])
    def test_the_silence_that_the_engine_needs_follows_a_last_decode(self, until: int, rest: int) -> None:
        bench = AsrBench(rest=3 * UNIT)
        bench.play(opened(), speech_start(), words(0, 1, 2, 0, 0, 0, 0), end(2, until=until * UNIT))
        (job,) = bench.engine.batches[-1]
        assert len(job.audio) == (until + rest) * UNIT
        assert not job.audio[2 * UNIT :].any()

    def test_a_short_silence_follows_a_partial(self) -> None:
        bench = AsrBench(rest=3 * UNIT)
        bench.one_by_one(opened(), speech_start(), words(0, 1, 2))
        (job,) = bench.engine.batches[-1]
        assert len(job.audio) == 2 * UNIT + PARTIAL_REST

    def test_partials_are_decoded_alone(self) -> None:
        bench = AsrBench(longest_context=20 * UNIT)
        bench.one_by_one(opened(), speech_start(), words(0, 1, 2), end(2), speech_start(2))
        bench.one_by_one(words(2, 3, 4))
        assert bench.engine.hear(bench.engine.batches[-1][0])[0] == "w3 w4"

    def test_a_likely_end_is_heard_in_context(self) -> None:
        bench = AsrBench(longest_context=20 * UNIT)
        bench.one_by_one(opened(), speech_start(), words(0, 1, 2), end(2), speech_start(2), words(3, 4))
        said = bench.one_by_one(end(4, "likely", utterance=2), end(4, utterance=2))
        assert [bench.engine.hear(job)[0] for (job,) in bench.engine.batches[2:]] == ["w1 w2 w4", "w4"]
        assert texts(said) == [("partial", "w4"), ("final", "w4")]

    @pytest.mark.parametrize("interim_results", [True, False])
    @pytest.mark.parametrize("misheard", [(), (3,), (1, 2, 3, 4), (3, 4, 3, 4)])
    def test_what_it_loses_or_adds_with_a_context_is_decoded_alone(
        self, misheard: tuple[int, ...], interim_results: bool
    ) -> None:
        bench = AsrBench(longest_context=20 * UNIT)
        bench.engine.with_prefix = misheard
        said = bench.one_by_one(
            opened(interim_results=interim_results),
            *(speech_start(1), words(0, 1, 2), end(2, utterance=1)),
            *(speech_start(2), words(4, 3, 4), end(6, utterance=2)),
        )
        assert finals(said) == ["w1 w2", "w3 w4"]

    def test_a_word_that_is_heard_better_with_a_context_stays(self) -> None:
        bench = AsrBench(longest_context=20 * UNIT)
        bench.engine.with_prefix = (3, 9)
        said = bench.one_by_one(
            opened(),
            *(speech_start(1), words(0, 1, 2), end(2, utterance=1)),
            *(speech_start(2), words(4, 3, 4), end(6, utterance=2)),
        )
        assert finals(said) == ["w1 w2", "w3 w9"]

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=9), min_size=1, max_size=5),
        st.lists(st.integers(1, 3), max_size=9).map(tuple),
        st.booleans(),
    )
    def test_a_context_never_costs_the_words_of_an_utterance(
        self, said: list[list[int]], misheard: tuple[int, ...], interim_results: bool
    ) -> None:
        bench, at = AsrBench(longest_context=40 * UNIT), 0
        bench.engine.with_prefix = misheard
        bench.play(opened(interim_results=interim_results))
        texts = list[str]()
        for number, values in enumerate(said, 1):
            last = end(at + len(values), utterance=number)
            texts += finals(bench.one_by_one(speech_start(number), words(at, *values), last))
            at += len(values) + 1
        for values, text in zip(said, texts, strict=True):
            assert abs(len(text.split()) - len(values)) <= len(values) // 5

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6), max_size=8), st.integers(0, 24))
    def test_an_echo_is_heard_right_however_it_is_split(self, said: list[list[int]], longest: int) -> None:
        at, utterances = 0, list[tuple[int, tuple[int, ...]]]()
        for values in said:
            utterances.append((at, tuple(values)))
            at += len(values) + 1
        _, packets = self.talk(*utterances, longest=longest)
        assert finals(packets) == [" ".join(f"w{v}" for v in values) for values in said]


def test_a_session_begins_with_what_it_gets() -> None:
    said = AsrBench().play(
        opened(timing=True, word_timestamps=True, vocabulary=("Dalston",), enable_vad=False)
    )
    (begin,) = json_events(said)
    assert begin["type"] == "session.begin"
    assert begin["session_id"] == "s"
    assert (begin["model"], begin["variant"], begin["language"]) == ("echo", "fast", "en")
    assert begin["config"] == {
        "interim_results": True,
        "enable_vad": True,  # the model needs it
        "word_timestamps": False,  # the model has none
        "min_silence_ms": 300,
        "vocabulary": [],
        "timing": True,
    }


@pytest.mark.parametrize(("model", "known"), [("fast", True), ("echo", True), ("accurate", False)])
def test_a_model_that_is_not_here_fails_the_session(model: str, known: bool) -> None:
    said = AsrBench().play(opened(model=model), close(0, "gone"))
    assert [f.code for f in of_type(SessionFailed, said)] == ([] if known else ["no_capacity"])
    assert len(said) == (3 if known else 2)


def test_what_the_text_says_of_a_likely_end_is_told_where_the_silence_depends_on_it() -> None:
    bench = AsrBench()
    history = (opened(min_silence_ms="auto"), speech_start(), words(0, 1, 2), end(2, "likely"))
    assert of_type(TextEnd, bench.one_by_one(*history)) == [text_end(2 * UNIT, None)]
    assert of_type(TextEnd, bench.one_by_one(configure(), words(2, 3), end(3, "likely"))) == []
    again = bench.one_by_one(configure(min_silence_ms="auto"), words(3, 4), end(4, "likely"))
    assert of_type(TextEnd, again) == [text_end(4 * UNIT, None)]


@pytest.mark.parametrize(
    ("heard", "finished"),
    [
        (Transcript("Go forward.", language="en"), 1.0),
        (Transcript("Go forward, and", language="en"), 0.0),
        (Transcript("Go forward, and", language="de"), None),
        (Transcript("Go forward,", language="en", finished=0.4), 0.4),
        (Transcript(""), None),
    ],
)
def test_the_text_and_the_engine_say_whether_a_sentence_is_over(
    heard: Transcript, finished: float | None
) -> None:
    bench = AsrBench()
    bench.engine.transcribe = lambda jobs: [heard for _ in jobs]  # type: ignore[method-assign]
    said = bench.one_by_one(
        opened(min_silence_ms="auto", interim_results=False), speech_start(), words(0, 1, 2), end(2, "likely")
    )
    assert of_type(TextEnd, said) == [text_end(2 * UNIT, finished)]


def test_an_utterance_that_ends_late_has_the_text_that_was_decided_on() -> None:
    bench = AsrBench()
    history = (opened(min_silence_ms="auto", interim_results=False), speech_start(), words(0, 1, 2))
    bench.one_by_one(*history, end(2, "likely"))
    said = bench.one_by_one(words(2, 0, 0, 0), replace(end(2), decided=5 * UNIT))
    assert finals(said) == ["w1 w2"]
    assert bench.engine.sizes == [1]


def test_stamps_and_inference_time_of_a_result() -> None:
    bench = AsrBench(seconds=0.05)
    bench.play(opened(), speech_start())
    heard, payload = words(0, 1, 2)
    assert isinstance(heard, Audio)
    bench.clock.now = 5
    said = bench.play((Audio("s", ROUTE, 0, (1, 2, 3, 4)), payload))
    (partial,) = of_type(Hypothesis, said)
    assert partial.stamps == (1, 2, 3, 4, 5, bench.clock.now)
    assert partial.inference_ns == 50_000_000


def test_words_have_times_on_the_sessions_clock() -> None:
    bench = AsrBench()
    hear = bench.engine.transcribe
    bench.engine.transcribe = lambda jobs: [  # type: ignore[method-assign]
        Transcript(t.text, words=(("w1", 0.0, 0.25, None), ("w2", 0.25, 0.5, 0.5))) for t in hear(jobs)
    ]
    said = bench.play(opened(word_timestamps=True), speech_start(), words(8, 1, 2), end(10))
    (last,) = of_type(Hypothesis, said)
    assert last.words == (("w1", 8 * UNIT, 9 * UNIT, None), ("w2", 9 * UNIT, 10 * UNIT, 0.5))


def test_words_lie_within_their_utterance() -> None:
    bench = AsrBench()
    heard = Transcript("w1 w2", words=(("w1", -0.02, 0.25, None), ("w2", 0.6, 0.8, None)))
    bench.engine.transcribe = lambda jobs: [heard for _ in jobs]  # type: ignore[method-assign]
    said = bench.play(opened(word_timestamps=True), speech_start(), words(0, 1, 2), end(2, until=2 * UNIT))
    (last,) = of_type(Hypothesis, said)
    assert last.words == (("w1", 0, UNIT, None), ("w2", 2 * UNIT, 2 * UNIT, None))


Step = Callable[[int, int], list[Message | Packet]]


@settings(max_examples=60, deadline=None)
@given(
    utterances=st.lists(
        st.tuples(
            st.lists(st.integers(1, 9), min_size=2, max_size=8),
            st.sampled_from([[], ["eager"], ["likely"], ["eager", "likely"]]),  # guesses before its end
            st.sampled_from(["end", "flush", "cut"]),
            st.booleans(),  # an empty flush behind it
        ),
        max_size=6,
    ),
    busy=st.sampled_from([0.0, 0.3, 3.0]),
    longest=st.sampled_from([0, 12]),
)
def test_every_word_is_in_a_final_once_and_in_order(
    utterances: list[tuple[list[int], list[str], str, bool]], busy: float, longest: int
) -> None:
    bench, history, at, carried = (
        AsrBench(busy, 4, longest * UNIT),
        list[Message | Packet]([opened()]),
        0,
        False,
    )
    expected: list[str] = []
    for number, (values, guesses, kind, empty_flush) in enumerate(utterances, 1):
        if not carried:
            history.append(speech_start(number, at * UNIT))
        history += [words(at + k, value) for k, value in enumerate(values)]
        at += len(values)
        carried = kind == "cut"
        history += [end(at, guess, number) for guess in guesses]
        name = f"f{number}" if kind == "flush" else None
        history.append(end(at, kind, number, flush_id=name))
        expected.append(" ".join(f"w{v}" for v in values))
        if empty_flush and not carried:
            history.append(flush(f"e{number}"))
    if carried:
        history.append(end(at, "flush", len(utterances) + 1))
        expected.append("")
    history.append(close(at * UNIT))
    said = play(bench.stage, [(k / 4, packet) for k, packet in enumerate(history)], bench.clock)
    assert finals(said) == expected
    check_order(said)


def check_order(said: list[Packet]) -> None:
    """Partials before their final, finals in their order, flushes where they were asked, close last."""
    last = 0
    for message, _ in said:
        if isinstance(message, Hypothesis):
            assert message.utterance == last + 1
            last += message.final
        if isinstance(message, Flush):
            match = re.fullmatch(r"e(\d+)", message.flush_id)
            assert match
            assert int(match[1]) == last
    assert isinstance(said[-1][0], Close)
    assert not any(isinstance(m, Hypothesis | Flush) and m.session != "s" for m, _ in said)
