"""The VAD stage: which audio goes on, once and in order, and what is said between it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.base import Floats
from engines.silero import WINDOW, SileroVad, VadState
from stages.channels import Packet
from stages.endpoint_rules import EndpointRules, samples
from stages.messages import (
    SPECULATIVE,
    Audio,
    Close,
    Configure,
    Flush,
    Message,
    Open,
    SessionFailed,
    Silence,
    UtteranceEnd,
    UtteranceStart,
)
from stages.vad.stage import VadStage
from tests.support.builders import (
    ROUTE,
    SECOND,
    audio,
    close,
    configure,
    flush,
    input_timed_out,
    opened,
    pcm,
    text_end,
)
from tests.support.loud_vad import LoudIsSpeech
from tests.support.play import ManualClock, Moment, at_once, of_type, play
from tests.support.recordings import recording

CHUNK = SECOND // 10
LOUD, QUIET = 20_000, 100


def stage(vad: LoudIsSpeech | None = None, clock: ManualClock | None = None, **rules: Any) -> VadStage:
    return VadStage(vad or LoudIsSpeech(), EndpointRules(**rules), clock or ManualClock())


def sound(*runs: tuple[int, int]) -> bytes:
    """Runs of (loudness, samples); no two samples near each other are equal."""
    parts = [np.full(length, loudness) for loudness, length in runs]
    whole = np.concatenate([np.empty(0, int), *parts])
    return pcm(whole + np.arange(len(whole)) % 5_000)


def chunks(data: bytes, session: str = "s", size: int = CHUNK) -> list[Packet]:
    """A session's audio as the receiver sends it."""
    return [audio(at // 2, data[at : at + 2 * size], session) for at in range(0, len(data), 2 * size)]


def live(packets: list[Packet], seconds: float = 0.1) -> list[Moment]:
    """Each packet when it has been spoken."""
    return [((k + 1) * seconds, packet) for k, packet in enumerate(packets)]


def shape(said: list[Packet]) -> list[str]:
    """The types of what was said; runs of audio and of silence count once."""
    kinds = [type(message).__name__ for message, _ in said]
    ends = [message.kind for message, _ in said if isinstance(message, UtteranceEnd)]
    named = [ends.pop(0) if kind == "UtteranceEnd" else kind for kind in kinds]
    return [k for k, before in zip(named, [None, *named], strict=False) if k != before]


def heard(said: list[Packet]) -> dict[int, tuple[int, bytes]]:
    """First sample and audio of each of the VAD's utterances, as the ASR stage takes them."""
    found: dict[int, tuple[int, bytes]] = {}
    number: int | None = None
    for message, payload in said:
        if isinstance(message, UtteranceStart):
            assert number is None
            number = message.utterance
        elif isinstance(message, Audio):
            assert number is not None, "audio outside of an utterance"
            start, before = found.setdefault(number, (message.start, b""))
            assert message.start == start + len(before) // 2, "a gap, or audio twice"
            found[number] = start, before + payload
        elif isinstance(message, UtteranceEnd) and message.kind == "cut":
            start, before = found[message.utterance]
            assert start <= message.resume <= message.until
            number = message.utterance + 1
            found[number] = message.resume, before[(message.resume - start) * 2 :]
        elif isinstance(message, UtteranceEnd) and message.kind not in SPECULATIVE:
            number = None
    return found


SENTENCE = sound((QUIET, SECOND), (LOUD, SECOND), (QUIET, SECOND))
SPOKEN = ("Audio", "eager", "Audio", "likely", "Audio")  # what is said of it until its end


def test_an_utterance_is_its_start_its_audio_and_its_end() -> None:
    said = play(stage(), live([(opened(), b""), *chunks(SENTENCE)]))
    assert shape(said) == ["Open", "Silence", "UtteranceStart", *SPOKEN, "end", "Silence"]
    (start,), (_, _, end) = of_type(UtteranceStart, said), of_type(UtteranceEnd, said)
    assert abs(start.at - SECOND) < WINDOW
    assert abs(end.at - 2 * SECOND) < WINDOW
    assert end.at < end.until <= end.decided
    first, data = heard(said)[1]
    assert first == start.at - samples(256)
    assert data == SENTENCE[2 * first : 2 * first + len(data)]


def test_silence_is_reported_now_and_then_and_carries_no_audio() -> None:
    said = play(stage(), live([(opened(), b""), *chunks(sound((QUIET, 2 * SECOND)))]))
    assert shape(said) == ["Open", "Silence"]
    ends = [silence.end for silence in of_type(Silence, said)]
    assert ends == sorted(ends)
    assert all(b - a <= SECOND // 2 for a, b in zip([0, *ends], ends, strict=False))


def test_sessions_that_wait_are_looked_at_together() -> None:
    vad, names = LoudIsSpeech(), [f"s{k}" for k in range(5)]
    packets = [audio(0, 4 * WINDOW, name) for name in names] + [audio(4 * WINDOW, WINDOW, "s0")]
    play(stage(vad), at_once(*map(opened, names), *packets))
    assert vad.batches == [5]


def test_who_has_a_backlog_does_not_hold_up_the_others() -> None:
    vad = LoudIsSpeech()
    play(stage(vad), at_once(opened("a"), opened("b"), audio(0, 20 * WINDOW, "a"), audio(0, WINDOW, "b")))
    assert vad.batches == [2, 1, 1]


def test_a_batch_is_no_larger_than_pays() -> None:
    vad, names = LoudIsSpeech(), [f"s{k}" for k in range(20)]
    play(stage(vad), at_once(*map(opened, names), *(audio(0, 8 * WINDOW, name) for name in names)))
    assert vad.batches == [8, 8, 4]


def test_sessions_do_not_mix() -> None:
    packets = [p for pair in zip(chunks(SENTENCE, "a"), chunks(SENTENCE, "b"), strict=True) for p in pair]
    both = play(stage(), live([(opened("a"), b""), (opened("b"), b""), *packets]))
    for name in ("a", "b"):
        assert heard([p for p in both if getattr(p[0], "session", "") == name]) == heard(
            play(stage(), live([(opened(name), b""), *chunks(SENTENCE, name)]))
        )


def test_less_than_a_window_waits_for_the_rest() -> None:
    vad = LoudIsSpeech()
    play(stage(vad), at_once(opened(), audio(0, WINDOW - 1)))
    assert vad.batches == []
    play(stage(vad), at_once(opened(), audio(0, WINDOW - 1), audio(WINDOW - 1, 1)))
    assert vad.batches == [1]


def test_a_flush_is_acted_on_behind_the_audio_before_it() -> None:
    speech = sound((LOUD, SECOND // 2 + 77))
    said = play(stage(), at_once(opened(), *chunks(speech), flush("x"), close(len(speech) // 2)))
    assert shape(said) == ["Open", "UtteranceStart", "Audio", "flush", "Silence", "Close"]
    (end,) = of_type(UtteranceEnd, said)
    assert (end.flush_id, end.until) == ("x", len(speech) // 2)
    assert heard(said) == {1: (0, speech)}


def test_a_flush_with_nothing_said_goes_on_behind_the_silence_before_it() -> None:
    said = play(stage(), at_once(opened(), *chunks(sound((QUIET, SECOND))), flush("x")))
    assert shape(said) == ["Open", "Silence", "Flush"]
    assert of_type(Silence, said)[-1].end == SECOND


def test_a_flush_in_a_pause_is_answered_with_what_was_guessed() -> None:
    data = sound((LOUD, SECOND), (QUIET, SECOND // 5))
    said = play(stage(), live([(opened(), b""), *chunks(data), (flush("x"), b"")]))
    _, maybe, end = of_type(UtteranceEnd, said)
    assert (maybe.kind, end.kind) == ("likely", "flush")
    assert (maybe.at, maybe.until) == (end.at, end.until)


def test_a_flush_in_a_shorter_pause_is_answered_with_what_was_guessed_of_that() -> None:
    data = sound((LOUD, SECOND), (QUIET, 2 * WINDOW + 300))
    said = play(stage(), live([(opened(), b""), *chunks(data), (flush("x"), b"")]))
    early, end = of_type(UtteranceEnd, said)
    assert (early.kind, end.kind) == ("eager", "flush")
    assert (early.at, early.until) == (end.at, end.until)


def test_audio_that_stops_coming_ends_the_utterance_and_nothing_else() -> None:
    speech = sound((LOUD, SECOND // 2 + 77))
    said = play(stage(), at_once(opened(), *chunks(speech), input_timed_out(), input_timed_out()))
    assert shape(said) == ["Open", "UtteranceStart", "Audio", "end", "Silence"]
    (end,) = of_type(UtteranceEnd, said)
    assert (end.flush_id, end.at, end.until, end.decided) == (None, *[len(speech) // 2] * 3)
    assert heard(said) == {1: (0, speech)}


def test_audio_that_stops_coming_in_a_pause_ends_it_as_guessed() -> None:
    data = sound((LOUD, SECOND), (QUIET, SECOND // 5))
    said = play(stage(), live([(opened(), b""), *chunks(data), (input_timed_out(), b"")]))
    _, maybe, end = of_type(UtteranceEnd, said)
    assert (maybe.kind, end.kind) == ("likely", "end")
    assert (maybe.at, maybe.until) == (end.at, end.until)


def test_audio_that_stops_coming_in_silence_says_nothing_but_how_far_it_is() -> None:
    said = play(stage(), at_once(opened(), *chunks(sound((QUIET, SECOND + 7))), input_timed_out()))
    assert shape(said) == ["Open", "Silence"]
    assert of_type(Silence, said)[-1].end == SECOND + 7


@pytest.mark.parametrize(("away_s", "overlaps"), [(1.0, True), (4.9, True), (5.2, False)])
def test_speech_that_goes_on_soon_is_heard_from_before_the_gap(away_s: float, overlaps: bool) -> None:
    speech = sound((LOUD, 2 * SECOND))
    history = [*live([(opened(), b""), *chunks(speech)]), (2.1, input_timed_out())]
    more = [(2.1 + away_s + k / 10, audio(2 * SECOND + k * CHUNK, speech[: 2 * CHUNK])) for k in range(5)]
    said = play(stage(), [*history, *more])
    _, start = of_type(UtteranceStart, said)
    assert (start.at, start.overlaps) == (2 * SECOND, overlaps)
    first, data = heard(said)[2]
    assert first == (2 * SECOND if not overlaps else of_type(UtteranceEnd, said)[0].resume)
    assert first > 2 * SECOND - samples(1_200)
    assert data[: (2 * SECOND - first) * 2] == speech[2 * first :]


def test_the_end_finishes_what_is_being_said() -> None:
    data = sound((LOUD, SECOND))
    said = play(stage(), at_once(opened(), *chunks(data), close(SECOND)))
    assert shape(said) == ["Open", "UtteranceStart", "Audio", "flush", "Silence", "Close"]
    assert of_type(UtteranceEnd, said)[0].flush_id is None


def test_a_client_that_is_gone_is_forgotten_without_an_end() -> None:
    vad_stage = stage()
    said = play(vad_stage, at_once(opened(), *chunks(sound((LOUD, SECOND))), close(SECOND, "gone")))
    assert of_type(UtteranceEnd, said) == []
    assert [c.reason for c in of_type(Close, said)] == ["gone"]
    others = play(vad_stage, at_once(audio(0, SECOND), flush(), configure(), close()))
    assert [message for message, _ in others] == [close()]  # another stage may know it still
    assert vad_stage._sessions == {}
    assert not vad_stage.busy


def test_a_session_may_come_again_under_its_name() -> None:
    vad_stage = stage()
    history = at_once(opened(), *chunks(SENTENCE), close(len(SENTENCE) // 2))
    assert play(vad_stage, history) == play(vad_stage, history)


def test_configure_changes_the_silence_from_here_on() -> None:
    data = sound((LOUD, SECOND), (QUIET, SECOND), (LOUD, SECOND), (QUIET, SECOND))
    packets = chunks(data)
    history: list[Packet] = [(opened(), b""), *packets[:20], (configure(min_silence_ms=2_000), b"")]
    said = play(stage(), live([*history, *packets[20:]]))
    assert [end.kind for end in of_type(UtteranceEnd, said)] == ["eager", "likely", "end", "eager", "likely"]
    assert of_type(Configure, said) == [configure(min_silence_ms=2_000)]


def maybe_ended(clock: ManualClock, silence: float) -> tuple[VadStage, int, list[Packet]]:
    """A stage with a speaker who has been silent so long (s), where the speech ended, and what was said."""
    vad_stage = stage(clock=clock)
    packets = chunks(sound((LOUD, SECOND), (QUIET, round(silence * SECOND))))
    said = play(vad_stage, live([(opened(min_silence_ms="auto"), b""), *packets]), clock)
    _, maybe = of_type(UtteranceEnd, said)
    return vad_stage, maybe.at, said


def test_an_utterance_whose_sentence_is_over_ends_when_its_text_comes() -> None:
    clock = ManualClock()
    vad_stage, at, said = maybe_ended(clock, 0.3)
    clock.spend(0.05)
    now = play(vad_stage, [(clock.now / 1e9, text_end(at))], clock)
    assert shape(now) == ["end"]
    (_, maybe), (end,) = of_type(UtteranceEnd, said), of_type(UtteranceEnd, now)
    assert (end.at, end.until, end.utterance) == (maybe.at, maybe.until, 1)
    assert end.stamps == (clock.now,) * 4  # the wait for the text is none of the stage's work
    assert end.decided == (SECOND + samples(300)) // WINDOW * WINDOW + samples(50)
    assert play(vad_stage, at_once(text_end(at)), clock) == []


@pytest.mark.parametrize("finished", [None, 0.0])
def test_an_utterance_whose_sentence_may_go_on_goes_on(finished: float | None) -> None:
    clock = ManualClock()
    vad_stage, at, _ = maybe_ended(clock, 0.25)
    assert play(vad_stage, at_once(text_end(at, finished)), clock) == []
    rest = chunks(sound((QUIET, SECOND)))
    assert shape(play(vad_stage, rest_of(rest, at=SECOND + SECOND // 4), clock))[:2] == ["Audio", "end"]


def rest_of(packets: list[Packet], at: int) -> list[Moment]:
    """The packets from sample `at` on."""
    moved = [(Audio("s", ROUTE, at + m.start, m.stamps), p) for m, p in packets if isinstance(m, Audio)]
    return at_once(*moved)


def test_what_is_said_of_another_silence_or_session_is_nothing() -> None:
    clock = ManualClock()
    vad_stage, at, _ = maybe_ended(clock, 0.3)
    others = [text_end(at - WINDOW), text_end(0), text_end(at, session="unknown")]
    assert play(vad_stage, at_once(*others), clock) == []


def test_the_silence_may_become_that_of_the_text_and_fixed_again() -> None:
    vad_stage = stage()
    packets = chunks(sound((LOUD, SECOND), (QUIET, SECOND * 3 // 10)))
    play(vad_stage, live([(opened(), b""), (configure(min_silence_ms="auto"), b""), *packets]))
    endpointer = vad_stage._sessions["s"].endpointer
    assert (endpointer.min_silence, endpointer.in_speech) == (None, True)
    play(vad_stage, at_once(configure(min_silence_ms=700)))
    assert endpointer.min_silence == samples(700)


def test_a_long_utterance_is_cut_and_goes_on() -> None:
    data = sound((LOUD, 8 * SECOND), (QUIET, SECOND))
    said = play(stage(max_utterance=samples(5_000)), live([(opened(), b""), *chunks(data)]))
    kinds = [(end.utterance, end.kind) for end in of_type(UtteranceEnd, said)]
    assert kinds == [(1, "cut"), (2, "eager"), (2, "likely"), (2, "end")]
    for start, piece in heard(said).values():
        assert piece == data[2 * start : 2 * start + len(piece)]


def test_stamps_say_when_the_audio_that_decided_came_and_when_the_result_left() -> None:
    clock = ManualClock()
    packets = [
        (Audio("s", ROUTE, message.start, (k, k + 1)), payload)
        for k, (message, payload) in enumerate(chunks(SENTENCE))
        if isinstance(message, Audio)
    ]
    said = play(stage(clock=clock), live([(opened(), b""), *packets]), clock)
    stamped: list[Audio | UtteranceEnd] = [*of_type(Audio, said), *of_type(UtteranceEnd, said)]
    for message in stamped:
        received, sent, came, left = message.stamps
        assert sent == received + 1
        assert came <= left
        assert came == round((received + 2) * 1e8)


def test_what_is_not_the_vads_goes_on_or_is_left_out() -> None:
    failed = SessionFailed("x", ROUTE, "internal", "why")
    assert play(stage(), at_once(failed, audio(0, SECOND, "unknown"), flush(session="unknown"))) == [
        (failed, b"")
    ]


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from([LOUD, QUIET]), st.integers(1, 2 * SECOND)), max_size=8),
    sizes=st.lists(st.integers(1, 4_000), min_size=1, max_size=5).map(lambda s: [*s, 1_000]),
    controls=st.dictionaries(st.integers(0, 40), st.sampled_from(["flush", "config", "stall"]), max_size=5),
    real_time=st.booleans(),
)
def test_every_utterance_is_a_slice_of_the_input(
    runs: list[tuple[int, int]], sizes: list[int], controls: dict[int, str], real_time: bool
) -> None:
    data, history, at, count = sound(*runs), list[Packet]([(opened(), b"")]), 0, 0
    while at < len(data) // 2:
        size = sizes[count % len(sizes)]
        history.append(audio(at, data[2 * at : 2 * (at + size)]))
        if control := controls.get(count):
            said_between: dict[str, Message] = {
                "flush": flush(str(count)),
                "config": configure(min_silence_ms=100),
                "stall": input_timed_out(),
            }
            history.append((said_between[control], b""))
        at, count = at + size, count + 1
    history.append((close(len(data) // 2), b""))
    said = play(stage(max_utterance=samples(3_000)), live(history) if real_time else at_once(*history))
    for start, piece in heard(said).values():
        assert piece == data[2 * start : 2 * start + len(piece)]
    check_boundaries(said, heard(said))
    flushes = [m.flush_id for m, _ in said if isinstance(m, Flush | UtteranceEnd) and m.flush_id is not None]
    assert flushes == [m.flush_id for m, _ in history if isinstance(m, Flush)]
    assert isinstance(said[0][0], Open)
    assert isinstance(said[-1][0], Close)


def check_boundaries(said: list[Packet], audio_of: dict[int, tuple[int, bytes]]) -> None:
    """Each end's audio came before it, and utterances overlap only by a cut's overlap."""
    free, decided = 0, list[int]()
    for end in of_type(UtteranceEnd, said):
        start, data = audio_of[end.utterance]
        assert free <= start < end.until <= start + len(data) // 2
        assert end.until <= end.decided
        if end.kind not in SPECULATIVE:
            free = end.resume
            decided.append(end.utterance)
    assert decided == list(range(1, len(decided) + 1))
    assert [s.utterance for s in of_type(UtteranceStart, said)] == sorted(
        s.utterance for s in of_type(UtteranceStart, said)
    )


@pytest.mark.parametrize("loudness", [QUIET, LOUD], ids=["silence", "speech"])
def test_memory_stays_flat_over_hours(loudness: int) -> None:
    vad_stage, kept = stage(), 0
    chunk = sound((loudness, 8 * SECOND))
    play(vad_stage, at_once(opened()))
    for k in range(2 * 3_600 // 8 // 4):  # half an hour: what grows, has grown
        play(vad_stage, at_once(audio(k * 8 * SECOND, chunk)))
        kept = max(kept, len(vad_stage._sessions["s"].audio))
        assert len(vad_stage._sessions["s"].endpointer._energies) < 200
    assert kept <= len(chunk) + 2 * 2 * SECOND + 2 * WINDOW


def test_a_muted_microphone_is_no_work() -> None:
    vad = LoudIsSpeech()
    said = play(stage(vad), live([(opened(), b""), *chunks(bytes(10 * 2 * SECOND))]))
    assert len(vad.batches) <= 11  # chunks of the first second
    assert shape(said) == ["Open", "Silence"]


@pytest.mark.parametrize("name", ["beckett.wav", "two_cities.wav"])
def test_silence_that_is_skipped_moves_no_boundary_by_more_than_a_window(
    name: str,
) -> None:
    speech = pcm((recording(name)[: 8 * SECOND] * 32_767).astype(int))
    whole = bytes(3 * SECOND) + speech + bytes(4 * SECOND) + speech + bytes(2 * SECOND)

    def boundaries(rules: EndpointRules) -> list[int]:
        said = play(VadStage(SileroVad(), rules, ManualClock()), live([(opened(), b""), *chunks(whole)]))
        return [m.at for m, _ in said if isinstance(m, UtteranceStart | UtteranceEnd)]

    skipped = boundaries(EndpointRules())
    every = boundaries(EndpointRules(clear_silence=-1.0))
    assert all(abs(a - b) <= WINDOW for a, b in zip(every, skipped, strict=True))


class UnsureVad(LoudIsSpeech):
    """Is not sure of what is loud, and has what a test says in a second look, which is at several sounds."""

    def __init__(self, second: float, surest: float = 0.7) -> None:
        super().__init__()
        self._second, self._surest = second, surest

    def __call__(self, sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
        found = super().__call__(sounds, states)
        if len(sounds) == 2:
            return [np.full_like(p, self._second) for p in found]
        return [np.where(p > 0.5, np.float32(self._surest), p) for p in found]


def ringing(*runs: tuple[int, int]) -> bytes:
    """Runs of (loudness, samples) of a tone of 1 kHz, as a square wave."""
    tone = np.where(np.arange(sum(length for _, length in runs)) % 16 < 8, 1, -1)
    return pcm(np.repeat([loud for loud, _ in runs], [length for _, length in runs]) * tone)


CHIME = ringing((QUIET, SECOND), (LOUD, SECOND // 4), (QUIET, SECOND))


def test_a_chime_that_the_vad_is_not_sure_of_is_dropped_and_not_a_word_is_said_of_it() -> None:
    said = play(stage(UnsureVad(0.1)), live([(opened(), b""), *chunks(CHIME * 3)]))
    assert shape(said) == ["Open", "Silence"]
    assert of_type(Silence, said)[-1].end > len(CHIME * 3) // 2 - SECOND // 2


@pytest.mark.parametrize(
    ("vad", "sounds"),
    [
        (UnsureVad(0.9), ringing),  # the second look says that it is speech
        (UnsureVad(0.1, surest=0.95), ringing),  # there is no need for one
        (UnsureVad(0.1), sound),  # its spectrum is not that of a chime
    ],
)
def test_a_short_word_that_is_held_back_goes_on_whole(vad: UnsureVad, sounds: Any) -> None:
    word = sounds((QUIET, SECOND), (LOUD, SECOND // 4), (QUIET, SECOND))
    said = play(stage(vad), live([(opened(), b""), *chunks(word)]))
    usual = play(stage(), live([(opened(), b""), *chunks(word)]))
    assert heard(said) == heard(usual)
    assert of_type(UtteranceEnd, said) == of_type(UtteranceEnd, usual)


def test_a_sound_that_lasts_goes_on_before_text_of_it_is_due() -> None:
    data = ringing((QUIET, SECOND), (LOUD, 3 * SECOND), (QUIET, SECOND))
    said = play(stage(UnsureVad(0.1)), live([(opened(), b""), *chunks(data, size=WINDOW)], 0.032))
    assert heard(said) == heard(play(stage(), live([(opened(), b""), *chunks(data)])))
    kinds = [type(message) for message, _ in said]
    late = [m for m, _ in said[: kinds.index(UtteranceStart)] if isinstance(m, Silence)][-1]
    assert late.end <= SECOND + WINDOW


def test_the_clock_gets_on_up_to_a_chime_that_is_held_back_at_the_end_of_all_that_came() -> None:
    begun = CHIME[: 2 * (SECOND + SECOND // 5)]
    said = play(stage(UnsureVad(0.1)), at_once(opened(), *chunks(begun, size=len(begun))))
    assert shape(said) == ["Open", "Silence"]
    assert of_type(Silence, said)[-1].end >= SECOND - samples(256) - WINDOW


def test_a_chime_does_not_hold_the_clock_up_where_the_silence_that_ends_an_utterance_is_long() -> None:
    patient = replace(opened(), min_silence_ms=3_000)
    said = play(stage(UnsureVad(0.1)), live([(patient, b""), *chunks(CHIME + CHIME)]))
    assert shape(said) == ["Open", "Silence"]
    ends = [0, *(silence.end for silence in of_type(Silence, said))]
    assert max(b - a for a, b in pairwise(ends)) < 1.5 * SECOND


@pytest.mark.parametrize("closing", [False, True])
def test_a_flush_behind_a_chime_has_its_answer(closing: bool) -> None:
    data = ringing((LOUD, SECOND // 4))
    last = close(len(data) // 2) if closing else flush("x")
    said = play(stage(UnsureVad(0.1)), at_once(opened(), *chunks(data), last))
    assert shape(said) == ["Open", "Silence", "Close" if closing else "Flush"]


def test_utterances_are_counted_without_what_was_dropped() -> None:
    speech = sound((LOUD, SECOND), (QUIET, SECOND))
    said = play(stage(UnsureVad(0.1)), live([(opened(), b""), *chunks(CHIME + speech + CHIME + speech)]))
    assert [start.utterance for start in of_type(UtteranceStart, said)] == [1, 2]


def test_audio_that_stops_in_a_chime_leaves_nothing_to_go_on_with() -> None:
    data = ringing((LOUD, SECOND // 4))
    rest = chunks(sound((LOUD, SECOND), (QUIET, SECOND)))
    later = [(replace(m, start=m.start + len(data) // 2), p) for m, p in rest if isinstance(m, Audio)]
    said = play(
        stage(UnsureVad(0.1)), at_once(opened(), *chunks(data, size=len(data)), input_timed_out(), *later)
    )
    assert [start.overlaps for start in of_type(UtteranceStart, said)] == [False]


def test_what_a_client_was_shown_before_its_worker_was_lost_is_never_dropped() -> None:
    again = replace(opened(), partial_shown=True)
    said = play(stage(UnsureVad(0.1)), live([(again, b""), *chunks(CHIME)]))
    assert [start.utterance for start in of_type(UtteranceStart, said)] == [1]
