"""Checks what counts as lost, doubled, invented, empty and silent."""

import numpy as np
import pytest

from bench.measure.word_losses import WordLosses, count_losses, surplus, words_of
from bench.recordings.spoken_case import SaidPart, SpokenCase
from dalston_realtime.protocol.events import Event, Final, Partial, SpeechStart
from tests.support.builders import SECOND

GROUPS = ("four one five", "five two eight", "nine nine one two")


def case(*texts: str, broken_off: str = "") -> SpokenCase:
    """A case whose parts take a second each, with a second between them."""
    parts = tuple(
        SaidPart(text, 2 * number * SECOND, (2 * number + 1) * SECOND, broken_off)
        for number, text in enumerate(texts)
    )
    return SpokenCase("numbers", "a", np.zeros(2 * len(texts) * SECOND, np.float32), parts)


def final(number: int, text: str, parts: int = 1) -> Final:
    """A final of the part of this number, or of some parts from it on."""
    start = 2.0 * (number - 1)
    return Final(text=text, utterance=number, start=start, end=start + 2.0 * parts - 1.0)


def partial(number: int, text: str) -> Partial:
    start = 2.0 * (number - 1)
    return Partial(text=text, utterance=number, start=start, end=start + 0.8)


def count(*events: Event, alone: tuple[str, ...] = GROUPS, said: tuple[str, ...] = GROUPS) -> WordLosses:
    return count_losses(case(*said), [[text] for text in alone], events)


def faults(found: WordLosses) -> tuple[int, int, int, int, int]:
    return found.lost, found.doubled, found.invented, found.empty, found.silent


def test_all_that_was_said_is_no_fault_however_it_is_written_and_divided() -> None:
    found = count(final(1, "415"), final(2, "Five, two, 8. 9-9-1-2.", parts=2))
    assert faults(found) == (0, 0, 0, 0, 0)
    assert (found.said, found.alone, found.recognized, found.missing, found.faults) == (10, 10, 10, 0, 0)


def test_a_group_without_any_event_is_lost_and_silent() -> None:
    found = count(final(1, "four one five"), SpeechStart(timestamp=2.0), final(3, "9912"))
    assert faults(found) == (3, 0, 0, 0, 1)


def test_a_partial_and_then_an_empty_final_is_lost_and_empty() -> None:
    found = count(final(1, "four one five"), partial(2, "five two"), final(2, ""), final(3, "9912"))
    assert faults(found) == (3, 0, 0, 1, 0)


def test_misheard_words_are_not_lost() -> None:
    assert faults(count(final(1, "for one thigh"), final(2, "five two ate"), final(3, "nine I one two"))) == (
        *(0, 0, 0),
        *(0, 0),
    )


def test_what_the_engine_alone_does_not_hear_is_missing_and_not_lost() -> None:
    found = count(final(1, "four one five"), final(3, "nine nine one two"), alone=(GROUPS[0], "", GROUPS[2]))
    assert faults(found) == (0, 0, 0, 0, 0)
    assert found.missing == 3


def test_each_way_in_which_the_engine_may_hear_a_part_is_right() -> None:
    ways = [["four five", "for five thigh a"], ["correct", "come back"]]
    said = case("four five", "correct")
    finals = [final(1, "for five thigh a"), final(2, "Come back.")]
    assert faults(count_losses(said, ways, finals)) == (0, 0, 0, 0, 0)
    assert faults(count_losses(said, ways, [final(1, "Four five. Come back.", parts=2)])) == (0, 0, 0, 0, 0)


def test_a_word_that_is_there_twice_is_doubled_and_another_one_invented() -> None:
    found = count(final(1, "four one five five"), final(2, "five two eight"), final(3, "9912 thank you"))
    assert faults(found) == (0, 1, 2, 0, 0)


def test_words_where_nobody_speaks_are_invented() -> None:
    found = count(*(final(n, text) for n, text in enumerate(GROUPS, 1)), final(9, "It was."))
    assert faults(found) == (0, 0, 2, 0, 0)


def test_the_sentence_before_in_the_place_of_another_is_doubled_and_what_was_said_is_lost() -> None:
    said = ("we had nothing before us", "try again")
    found = count(
        final(1, "We had nothing before us."), final(2, "We had nothing before us."), said=said, alone=said
    )
    assert faults(found) == (2, 5, 0, 0, 0)


def test_the_same_answer_again_is_no_repetition() -> None:
    said = ("try again", "try again")
    assert faults(count(final(1, "Try again."), final(2, "Try again."), said=said, alone=said)) == (
        0,
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize(
    "text", ["It was the best of", "It was the best of time", "it was the best of times"]
)
def test_the_word_in_which_the_sound_stops_may_be_there_or_not(text: str) -> None:
    said = case("It was the best of", broken_off="times")
    assert faults(count_losses(said, [["It was the best of."]], [final(1, text)])) == (0, 0, 0, 0, 0)


def test_more_than_the_word_in_which_the_sound_stops_is_a_fault() -> None:
    said = case("It was the best of", broken_off="times")
    found = count_losses(
        said, ["It was the best of."], [final(1, "It was the best of the best of the best.")]
    )
    assert found.doubled + found.invented >= 3


def test_figures_are_digits_only_where_digits_are_said() -> None:
    assert words_of("10, 10!") == ["10", "10"]
    assert words_of("10, 10!", digits=True) == ["one", "zero", "one", "zero"]
    assert words_of("A59.", digits=True) == ["a", "five", "nine"]


def test_words_are_too_few_and_too_many_between_equal_ones() -> None:
    assert surplus(["a", "b", "c", "d"], ["a", "d"]) == (2, [])
    assert surplus(["a", "d"], ["a", "b", "c", "d"]) == (0, [1, 2])
    assert surplus(["it", "was", "so"], ["it's", "so"]) == (0, [])
    assert surplus([], ["a"]) == (0, [0])
    assert surplus(["a"], []) == (1, [])


def test_counts_are_added_field_by_field() -> None:
    assert WordLosses(said=1, lost=2) + WordLosses(said=3, empty=1) == WordLosses(said=4, lost=2, empty=1)
