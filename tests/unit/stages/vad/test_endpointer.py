"""Speech probabilities in, utterances out: histories, and what holds for all of them."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.silero import WINDOW
from stages.endpoint_rules import MOST, EndpointRules, samples
from stages.messages import SPECULATIVE
from stages.vad.endpointer import Boundary, Ended, Endpointer, Started

RULES = EndpointRules()
PROBABILITY = {".": 0.1, "~": 0.4, "s": 0.9}


def endpointer(min_silence_ms: int | None = 300, max_utterance_ms: int = 12_000) -> Endpointer:
    """With `None` it waits as the text and the speaker ask for."""
    silence = None if min_silence_ms is None else samples(min_silence_ms)
    return Endpointer(EndpointRules(max_utterance=samples(max_utterance_ms)), silence)


def hear(endpoints: Endpointer, history: str) -> list[Boundary]:
    """Play one window for each letter: silence, doubtful, speech."""
    return [b for letter in history for b in endpoints.feed(PROBABILITY[letter], 1.0)]


def in_windows(boundaries: Sequence[Boundary]) -> list[tuple[str, float, float]]:
    """Kind, place of the speech, and where the audio begins or ends; in windows."""
    return [
        ("start", b.at / WINDOW, b.start / WINDOW)
        if isinstance(b, Started)
        else (b.kind, b.at / WINDOW, b.until / WINDOW)
        for b in boundaries
    ]


@pytest.mark.parametrize(
    ("history", "boundaries"),
    [
        ("", []),
        ("." * 100, []),
        ("~" * 100, []),
        ("...s...", []),  # one window is too short
        ("...s.s.s.", []),
        ("..........ss", [("start", 10, 2)]),  # pre-roll: 8 windows
        ("..ss", [("start", 2, 0)]),  # no more than there is
        ("..........s~", [("start", 10, 2)]),  # doubtful goes on with what there was
        ("..........~ss", [("start", 11, 3)]),
        ("ss..", [("start", 0, 0), ("eager", 2, 4)]),
        ("ss.s", [("start", 0, 0)]),
        ("ss...", [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5)]),
        ("ss...ss", [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5)]),
        (
            "ss...ss...",
            [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5), ("eager", 7, 9), ("likely", 7, 10)],
        ),
        ("ss" + "." * 8, [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5)]),
        ("ss" + "." * 9, [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5), ("end", 2, 5)]),
        ("ss" + ".~" * 5, [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5), ("end", 2, 5)]),
        ("ss" + "~" * 50, [("start", 0, 0)]),  # doubtful does not end it
        (
            "ss" + "." * 10 + "ss",  # the pre-roll does not reach into what is decoded already
            [("start", 0, 0), ("eager", 2, 4), ("likely", 2, 5), ("end", 2, 5), ("start", 12, 5)],
        ),
    ],
)
def test_histories(history: str, boundaries: list[tuple[str, float, float]]) -> None:
    assert in_windows(hear(endpointer(), history)) == boundaries


@pytest.mark.parametrize(("min_silence_ms", "windows"), [(100, 3), (300, 9), (1_000, 31), (3_000, 94)])
def test_the_silence_that_ends_an_utterance_is_the_clients(min_silence_ms: int, windows: int) -> None:
    assert in_windows(hear(endpointer(min_silence_ms), "ss" + "." * windows))[-1] == ("end", 2, 5)
    assert in_windows(hear(endpointer(min_silence_ms), "ss" + "." * (windows - 1)))[-1][0] != "end"


def test_a_shorter_silence_counts_at_once() -> None:
    endpoints = endpointer(3_000)
    hear(endpoints, "ss" + "." * 20)
    endpoints.min_silence = samples(300)
    assert in_windows(hear(endpoints, ".")) == [("end", 2, 5)]


def test_a_sentence_that_is_over_ends_sooner_and_one_that_is_not_later() -> None:
    for finished, windows in ((1.0, 7), (None, 10), (0.0, 19)):
        endpoints = endpointer(None)
        hear(endpoints, "ss...")
        assert endpoints.on_text_end(2 * WINDOW, finished) == []
        assert hear(endpoints, "." * (windows - 4)) == []
        assert in_windows(hear(endpoints, ".")) == [("end", 2, 5)]


def test_until_the_text_is_known_it_is_waited_for() -> None:
    assert in_windows(hear(endpointer(None), "ss" + "." * 16)) == [
        ("start", 0, 0),
        ("eager", 2, 4),
        ("likely", 2, 5),
        ("end", 2, 5),
    ]
    assert in_windows(hear(endpointer(None), "ss" + "." * 15))[-1][0] == "likely"


def test_a_silence_that_is_long_enough_ends_when_the_text_is_known() -> None:
    endpoints = endpointer(None)
    hear(endpoints, "ss" + "." * 8)
    assert in_windows(endpoints.on_text_end(2 * WINDOW, 1.0)) == [("end", 2, 5)]
    assert endpoints.on_text_end(2 * WINDOW, 1.0) == []


def test_what_is_known_of_another_silence_does_not_count() -> None:
    endpoints = endpointer(None)
    hear(endpoints, "ss...ss" + "." * 8)
    assert endpoints.on_text_end(2 * WINDOW, 1.0) == []
    assert in_windows(endpoints.on_text_end(7 * WINDOW, 1.0)) == [("end", 7, 10)]


def test_what_is_known_of_a_silence_does_not_count_for_the_next_one() -> None:
    endpoints = endpointer(None)
    hear(endpoints, "ss...")
    endpoints.on_text_end(2 * WINDOW, 1.0)
    assert in_windows(hear(endpoints, "ss" + "." * 15)) == [("eager", 7, 9), ("likely", 7, 10)]


def test_a_fixed_silence_does_not_depend_on_the_text() -> None:
    endpoints = endpointer(300)
    hear(endpoints, "ss" + "." * 8)
    assert endpoints.on_text_end(2 * WINDOW, 1.0) == []
    assert endpoints.on_text_end(2 * WINDOW, 0.0) == []
    assert in_windows(hear(endpoints, "..")) == [("end", 2, 5)]


def test_a_speaker_who_makes_long_pauses_is_given_longer_ones() -> None:
    endpoints = endpointer(None)
    for _ in range(10):
        at = endpoints.position + 2 * WINDOW
        hear(endpoints, "ss...")
        endpoints.on_text_end(at, 0.0)
        hear(endpoints, "." * 10)  # 416 ms in all
    at = endpoints.position + 2 * WINDOW
    hear(endpoints, "ss...")
    endpoints.on_text_end(at, 0.0)
    assert hear(endpoints, "." * 21) == []
    assert in_windows(hear(endpoints, "."))[0][0] == "end"


@pytest.mark.parametrize(("finished", "more"), [(0.0, True), (1.0, False)])
def test_a_pause_that_was_too_long_counts_where_the_sentence_looked_open(finished: float, more: bool) -> None:
    endpoints = endpointer(None)
    for _ in range(10):
        at = endpoints.position + 2 * WINDOW
        hear(endpoints, "ss...")
        endpoints.on_text_end(at, finished)
        assert "end" in [kind for kind, _, _ in in_windows(hear(endpoints, "." * 22))]
    at = endpoints.position + 2 * WINDOW
    hear(endpoints, "ss...")
    endpoints.on_text_end(at, 0.0)
    ended = hear(endpoints, "." * 17)  # 640 ms in all
    assert (ended == []) is more


def test_flush_ends_what_is_being_said_with_all_its_audio() -> None:
    endpoints = endpointer()
    hear(endpoints, "ssss")
    position = 4 * WINDOW + 100  # samples that make no window yet
    assert endpoints.flush(position) == [Ended(position, position, "flush", position)]
    assert endpoints.flush(position) == []
    assert not endpoints.in_speech


def test_flush_in_a_pause_leaves_the_pause_out() -> None:
    endpoints = endpointer()
    hear(endpoints, "ss.")
    assert in_windows(endpoints.flush(3 * WINDOW)) == [("flush", 2, 3)]


def test_flush_after_a_shorter_pause_asks_for_what_is_decoded_already() -> None:
    endpoints = endpointer()
    hear(endpoints, "ss..")
    assert in_windows(endpoints.flush(4 * WINDOW + 100)) == [("flush", 2, 4)]


def test_flush_after_a_maybe_end_asks_for_what_is_decoded_already() -> None:
    endpoints = endpointer()
    hear(endpoints, "ss......")
    assert in_windows(endpoints.flush(8 * WINDOW)) == [("flush", 2, 5)]


def test_flush_with_nothing_said_says_nothing() -> None:
    endpoints = endpointer()
    hear(endpoints, "....s")
    assert endpoints.flush(5 * WINDOW) == []


def test_speech_that_goes_on_after_a_flush_begins_where_the_flush_ended() -> None:
    endpoints = endpointer()
    hear(endpoints, "ssss")
    position = 4 * WINDOW + 100
    endpoints.flush(position)
    assert hear(endpoints, "ss") == [Started(position, position)]


def test_a_stall_ends_what_is_being_said_with_all_its_audio() -> None:
    endpoints = endpointer()
    hear(endpoints, "ssss")
    position = 4 * WINDOW + 100
    assert endpoints.end_without_input(position) == [Ended(position, position, "end", 0)]
    assert endpoints.end_without_input(position) == []
    assert not endpoints.in_speech


def test_a_stall_in_a_pause_is_the_end_that_was_guessed() -> None:
    endpoints = endpointer()
    hear(endpoints, "ss......")
    assert endpoints.end_without_input(8 * WINDOW) == [Ended(2 * WINDOW, 5 * WINDOW, "end", 5 * WINDOW)]
    assert hear(endpoints, "ss") == [Started(8 * WINDOW, 5 * WINDOW)]


@pytest.mark.parametrize(("behind", "begins"), [(10, True), (256, True), (257, False), (500, False)])
def test_a_window_of_which_a_flush_took_the_most_begins_no_utterance(behind: int, begins: bool) -> None:
    endpoints = endpointer()
    hear(endpoints, "ssss")
    endpoints.flush(4 * WINDOW + behind)
    assert bool(hear(endpoints, "s~")) == begins
    assert hear(endpoints, "....") == (
        [Ended(6 * WINDOW, 8 * WINDOW, "eager", 8 * WINDOW)] * begins
        + [Ended(6 * WINDOW, 9 * WINDOW, "likely", 9 * WINDOW)] * begins
    )


def test_a_stall_with_nothing_said_says_nothing() -> None:
    endpoints = endpointer()
    hear(endpoints, "....s")
    assert endpoints.end_without_input(5 * WINDOW) == []
    assert hear(endpoints, "s") == []  # and speech has to begin anew


def stalled(history: str, then: str) -> list[Boundary]:
    """What comes behind a stall in two seconds of speech, which was quietest a second before its end."""
    endpoints = endpointer()
    for window in range(62):
        endpoints.feed(0.9, 0.1 if window in (31, 32) else 1.0)
    endpoints.end_without_input(62 * WINDOW + 10)
    hear(endpoints, history)
    if then == "drop_resume":
        endpoints.drop_resume()
    return hear(endpoints, "ss")


def test_speech_that_goes_on_behind_a_stall_overlaps_it() -> None:
    at = 62 * WINDOW + 10
    assert stalled("", "") == [Started(at, 32 * WINDOW, overlaps=True)]
    assert stalled("." * 8, "") == [Started(70 * WINDOW, 32 * WINDOW, overlaps=True)]
    assert stalled("." * 9, "") == [Started(71 * WINDOW, 63 * WINDOW)]
    assert stalled("", "drop_resume") == [Started(at, at)]


def test_long_speech_is_cut_at_its_quietest_point_and_overlaps_there() -> None:
    endpoints, boundaries = endpointer(), list[Boundary]()
    for window in range(375):  # 12 s
        energy = 0.1 if window in (329, 330) else 0.5 if window in (301, 302) else 1.0
        boundaries += endpoints.feed(0.9, energy)
    assert boundaries[1:] == [Ended(330 * WINDOW, 330 * WINDOW, "cut", 302 * WINDOW)]
    assert endpoints.in_speech


def test_a_cut_in_a_pause_needs_no_overlap() -> None:
    endpoints, boundaries = endpointer(), list[Boundary]()
    for window in range(375):
        boundaries += endpoints.feed(0.9, 0.001 if window in (329, 330) else 1.0)
    assert boundaries[1:] == [Ended(330 * WINDOW, 330 * WINDOW, "cut", 330 * WINDOW)]


def test_a_pause_at_the_maximum_ends_the_utterance_without_a_cut() -> None:
    assert in_windows(hear(endpointer(3_000), "s" * 370 + "." * 5)) == [
        ("start", 0, 0),
        ("eager", 370, 372),
        ("likely", 370, 373),
        ("end", 370, 373),
    ]


runs = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 0.4, 0.5, 0.95]) | st.floats(0, 1),
        st.integers(1, 12) | st.integers(1, 500),
        st.sampled_from([0.0, 0.001, 1.0]) | st.floats(0, 1),
        st.sampled_from(["", "flush", "stall", "drop_resume"]),
        st.sampled_from([None, 0.0, 0.5, 1.0]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    runs,
    st.sampled_from([None, 100, 300, 3_000]),
    st.sampled_from([3_000, 3_500, 5_000, 12_000, 30_000]),
    st.data(),
)
def test_what_holds_for_all_histories(
    runs: list[tuple[float, int, float, str, float | None]],
    min_silence_ms: int | None,
    max_ms: int,
    data: st.DataObject,
) -> None:
    endpoints = endpointer(min_silence_ms, max_ms)
    checked, silences = Checked(samples(max_ms)), [0]
    for probability, windows, energy, then, finished in runs:
        for k in range(windows):
            boundaries = endpoints.feed(probability, energy * (k % 7))
            checked.see(boundaries, endpoints.position)
            assert endpoints.in_speech == (checked.start is not None)
            silences += [b.at for b in boundaries if isinstance(b, Ended)]
        at = data.draw(st.sampled_from(silences[-3:]))
        checked.see(endpoints.on_text_end(at, finished), endpoints.position)
        if then == "drop_resume":
            endpoints.drop_resume()
        elif then:
            end = endpoints.flush if then == "flush" else endpoints.end_without_input
            position = endpoints.position + windows % WINDOW
            checked.see(end(position), position)
            assert end(position) == []
            assert checked.start is None


@given(runs, st.none() | st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_an_utterance_always_ends_at_last(
    runs: list[tuple[float, int, float, bool, float | None]], finished: float | None
) -> None:
    endpoints = endpointer(None)
    for probability, windows, energy, _, _ in runs:
        for _ in range(windows):
            endpoints.feed(probability, energy)
    for _ in range(MOST // WINDOW + 1):
        for boundary in endpoints.feed(0.0, 0.0):
            if isinstance(boundary, Ended) and boundary.kind == "likely":
                endpoints.on_text_end(boundary.at, finished)
    assert not endpoints.in_speech


class Checked:
    """The promises about boundaries, checked as they come."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.start: int | None = None  # of the utterance that is open
        self.decoded = 0  # audio up to here is in an utterance
        self.resume = 0  # the next one does not begin before
        self.told = 0

    def see(self, boundaries: list[Boundary], position: int) -> None:
        for boundary in boundaries:
            assert self.told <= boundary.at <= position
            if isinstance(boundary, Started):
                self.started(boundary)
            else:
                self.ended(boundary, position)
        if self.start is not None:
            assert position - self.start < self.longest + 2 * WINDOW

    def started(self, boundary: Started) -> None:
        assert self.start is None
        assert boundary.overlaps == (boundary.start < self.decoded)
        assert self.resume <= boundary.start <= boundary.at
        assert self.decoded <= boundary.at
        assert boundary.at - max(boundary.start, self.decoded) <= RULES.preroll
        self.start, self.told = boundary.start, boundary.at

    def ended(self, boundary: Ended, position: int) -> None:
        assert self.start is not None
        assert self.start < boundary.at <= boundary.until <= position
        assert boundary.until - self.start < self.longest + 2 * WINDOW
        if boundary.kind in SPECULATIVE:
            return
        self.decoded, self.told, self.resume = boundary.until, boundary.at, boundary.resume
        if boundary.kind == "cut":
            assert self.start + samples(500) < boundary.resume
            assert 0 <= boundary.until - boundary.resume <= RULES.overlap[1]
            self.start = boundary.resume
        else:
            assert self.start <= boundary.resume <= boundary.until
            assert boundary.until - boundary.resume <= RULES.overlap[1] + 2 * WINDOW
            self.start = None
