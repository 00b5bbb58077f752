"""Audio that stops coming, on a clock that is driven by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.receiver.input_timeout import CONFIRM_S, InputTimeout

LIMIT = 0.8  # with 300 ms


def looks(timeout: InputTimeout, *times: float) -> list[bool]:
    return [timeout.has_expired(now) for now in times]


def test_an_utterance_ends_the_silence_and_half_a_second_after_the_last_audio() -> None:
    timeout = InputTimeout(300)
    timeout.on_audio(1.0)
    assert looks(timeout, 1.5, 1.79) == [False, False]
    assert timeout.seconds_to_check(1.5) == pytest.approx(0.3)
    assert looks(timeout, 1.81, 1.83) == [False, True]


def test_a_silence_that_follows_the_text_may_be_as_long_as_it_ever_is() -> None:
    timeout = InputTimeout("auto")
    timeout.on_audio(1.0)
    assert looks(timeout, 2.2, 2.29, 2.31, 2.33) == [False, False, False, True]


def test_a_process_that_was_held_up_reads_what_came_meanwhile_first() -> None:
    timeout = InputTimeout(300)
    timeout.on_audio(1.0)
    assert not timeout.has_expired(9.0)
    assert timeout.seconds_to_check(9.0) == CONFIRM_S
    timeout.on_audio(9.01)
    assert looks(timeout, 9.03, 9.7) == [False, False]


def test_it_expires_once() -> None:
    timeout = InputTimeout(300)
    timeout.on_audio(0.0)
    assert looks(timeout, 1.0, 1.1, 2.0, 3.0) == [False, True, False, False]
    assert timeout.seconds_to_check(3.0) == math.inf
    timeout.on_audio(5.0)
    assert looks(timeout, 5.5, 5.9, 6.0) == [False, False, True]


def test_nothing_times_out_before_there_was_audio() -> None:
    timeout = InputTimeout(300)
    assert looks(timeout, 10.0, 20.0) == [False, False]
    assert timeout.seconds_to_check(20.0) == math.inf


def test_a_client_that_is_away_says_nothing_by_it_and_has_its_time_when_it_is_back() -> None:
    timeout = InputTimeout(300)
    timeout.on_audio(0.0)
    timeout.on_client_away()
    assert looks(timeout, 5.0, 6.0) == [False, False]
    assert timeout.seconds_to_check(6.0) == math.inf
    timeout.on_client_present(10.0)
    assert timeout.seconds_to_check(10.0) == pytest.approx(LIMIT)
    assert looks(timeout, 10.7, 10.81, 10.83) == [False, False, True]
    timeout.on_client_away()
    timeout.on_client_present(20.0)
    assert looks(timeout, 25.0, 26.0) == [False, False]  # nothing new was said


def test_audio_that_was_on_its_way_does_not_bring_the_client_back() -> None:
    timeout = InputTimeout(300)
    timeout.on_client_away()
    timeout.on_audio(1.0)
    assert looks(timeout, 5.0, 6.0) == [False, False]


def test_the_silence_may_change() -> None:
    timeout = InputTimeout(300)
    timeout.on_audio(0.0)
    timeout.min_silence_ms = 2_000
    assert looks(timeout, 2.4, 2.51, 2.53) == [False, False, True]


@given(
    st.sampled_from([100, 300, 3_000]),
    st.lists(
        st.tuples(st.floats(0.001, 0.3), st.sampled_from(["audio", "look", "look", "leave", "back"])),
        max_size=80,
    ),
)
def test_what_holds_for_all_histories(min_silence_ms: int, history: list[tuple[float, str]]) -> None:
    timeout, now = InputTimeout(min_silence_ms), 0.0
    fresh, away, since = False, False, 0.0  # audio that no timeout was told of; where its time began
    for step, what in history:
        now += step
        if what == "audio":
            timeout.on_audio(now)
            fresh, since = True, now
        elif what == "leave":
            timeout.on_client_away()
            away = True
        elif what == "back":
            timeout.on_client_present(now)
            away, since = False, now
        elif timeout.has_expired(now):
            assert fresh
            assert not away
            assert now - since >= min_silence_ms / 1000 + 0.5
            fresh = False
        assert (timeout.seconds_to_check(now) == math.inf) == (away or not fresh)


@given(st.lists(st.floats(0.0, 0.4), max_size=50))
def test_chunks_with_jitter_are_never_cut(delays: list[float]) -> None:
    """Chunks of 250 ms, each up to 400 ms late."""
    timeout, heard = InputTimeout(300), 0.0
    for number, delay in enumerate(delays):
        arrives = max(heard, number * 0.25 + delay)
        while heard < arrives:
            heard = min(heard + 0.05, arrives)
            assert not timeout.has_expired(heard)
        timeout.on_audio(arrives)
