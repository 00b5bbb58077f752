"""Audio that stops coming, on a clock that is driven by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.receiver.input_timeout import AGAIN_S, InputTimeout

LIMIT = 0.8  # with 300 ms


def looks(stall: InputTimeout, *times: float) -> list[bool]:
    return [stall.look(now) for now in times]


def test_an_utterance_ends_the_silence_and_half_a_second_after_the_last_audio() -> None:
    stall = InputTimeout(300)
    stall.heard(1.0)
    assert looks(stall, 1.5, 1.79) == [False, False]
    assert stall.remaining(1.5) == pytest.approx(0.3)
    assert looks(stall, 1.81, 1.83) == [False, True]


def test_a_silence_that_follows_the_text_may_be_as_long_as_it_ever_is() -> None:
    stall = InputTimeout("auto")
    stall.heard(1.0)
    assert looks(stall, 2.2, 2.29, 2.31, 2.33) == [False, False, False, True]


def test_a_process_that_was_held_up_reads_what_came_meanwhile_first() -> None:
    stall = InputTimeout(300)
    stall.heard(1.0)
    assert not stall.look(9.0)
    assert stall.remaining(9.0) == AGAIN_S
    stall.heard(9.01)
    assert looks(stall, 9.03, 9.7) == [False, False]


def test_a_stall_is_told_once() -> None:
    stall = InputTimeout(300)
    stall.heard(0.0)
    assert looks(stall, 1.0, 1.1, 2.0, 3.0) == [False, True, False, False]
    assert stall.remaining(3.0) == math.inf
    stall.heard(5.0)
    assert looks(stall, 5.5, 5.9, 6.0) == [False, False, True]


def test_nothing_stalls_before_there_was_audio() -> None:
    stall = InputTimeout(300)
    assert looks(stall, 10.0, 20.0) == [False, False]
    assert stall.remaining(20.0) == math.inf


def test_a_client_that_is_away_says_nothing_by_it_and_has_its_time_when_it_is_back() -> None:
    stall = InputTimeout(300)
    stall.heard(0.0)
    stall.leave()
    assert looks(stall, 5.0, 6.0) == [False, False]
    assert stall.remaining(6.0) == math.inf
    stall.come_back(10.0)
    assert stall.remaining(10.0) == pytest.approx(LIMIT)
    assert looks(stall, 10.7, 10.81, 10.83) == [False, False, True]
    stall.leave()
    stall.come_back(20.0)
    assert looks(stall, 25.0, 26.0) == [False, False]  # nothing new was said


def test_audio_that_was_on_its_way_does_not_bring_the_client_back() -> None:
    stall = InputTimeout(300)
    stall.leave()
    stall.heard(1.0)
    assert looks(stall, 5.0, 6.0) == [False, False]


def test_the_silence_may_change() -> None:
    stall = InputTimeout(300)
    stall.heard(0.0)
    stall.min_silence_ms = 2_000
    assert looks(stall, 2.4, 2.51, 2.53) == [False, False, True]


@given(
    st.sampled_from([100, 300, 3_000]),
    st.lists(
        st.tuples(st.floats(0.001, 0.3), st.sampled_from(["audio", "look", "look", "leave", "back"])),
        max_size=80,
    ),
)
def test_what_holds_for_all_histories(min_silence_ms: int, history: list[tuple[float, str]]) -> None:
    stall, now = InputTimeout(min_silence_ms), 0.0
    fresh, away, since = False, False, 0.0  # audio that no stall was told of; where its time began
    for step, what in history:
        now += step
        if what == "audio":
            stall.heard(now)
            fresh, since = True, now
        elif what == "leave":
            stall.leave()
            away = True
        elif what == "back":
            stall.come_back(now)
            away, since = False, now
        elif stall.look(now):
            assert fresh
            assert not away
            assert now - since >= min_silence_ms / 1000 + 0.5
            fresh = False
        assert (stall.remaining(now) == math.inf) == (away or not fresh)


@given(st.lists(st.floats(0.0, 0.4), max_size=50))
def test_chunks_with_jitter_are_never_cut(delays: list[float]) -> None:
    """Chunks of 250 ms, each up to 400 ms late."""
    stall, heard = InputTimeout(300), 0.0
    for number, delay in enumerate(delays):
        arrives = max(heard, number * 0.25 + delay)
        while heard < arrives:
            heard = min(heard + 0.05, arrives)
            assert not stall.look(heard)
        stall.heard(arrives)
