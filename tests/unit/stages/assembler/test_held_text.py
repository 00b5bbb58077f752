"""Checks which words of an unfinished utterance are shown, and that the shown ones stay."""

from hypothesis import given
from hypothesis import strategies as st

from stages.alignment import normal
from stages.assembler.held_text import LAST_SHOWN, LEAST, REPLACED_AFTER, SHOWN, HeldText

FEW = 0.3  # A probability at which a word is not shown at once.
SURE = 0.99
ENOUGH = 4  # Hypotheses of which the model is not sure at all, until a word is shown.


def shown(text: HeldText, said: str, *unsure: int) -> str:
    """What is shown after a hypothesis of which the words with these numbers are unsure."""
    words = said.split()
    return " ".join(text.choose(words, [FEW if at in unsure else SURE for at in range(len(words))]))


def test_a_sure_word_is_shown_at_once() -> None:
    assert shown(HeldText(), "it was the best") == "it was the best"


def test_an_unsure_word_waits_for_a_second_hypothesis_and_so_does_what_follows_it() -> None:
    text = HeldText()
    assert shown(text, "it was a beast of", 3) == "it was a"
    assert shown(text, "it was a beast of times", 3) == "it was a beast of times"


def test_the_last_word_has_to_be_surer() -> None:
    words = ["it", "was", "the"]
    assert HeldText().choose(words, [(SHOWN + LAST_SHOWN) / 2] * 3) == ["it", "was"]


def test_the_first_word_comes_early() -> None:
    assert HeldText().choose(["in"], [SHOWN]) == ["in"]


def test_what_was_shown_stays_where_a_hypothesis_has_lost_its_end() -> None:
    text = HeldText()
    assert shown(text, "it was the best of times") == shown(text, "it was the best")
    assert shown(text, "") == "it was the best of times"


def test_a_spelling_that_takes_turns_does_not_flicker() -> None:
    text = HeldText()
    shown(text, "some of its noisiest")
    for _ in range(3):
        assert shown(text, "some of its noisyest authorities", 3).startswith("some of its noisiest")
        assert shown(text, "some of its noisiest authorities").startswith("some of its noisiest")


def test_nothing_is_shown_behind_a_word_in_whose_place_there_is_another_one() -> None:
    text = HeldText()
    shown(text, "the sick quartets uh", 2)
    assert shown(text, "a sick corpus uh i have") == "the sick"
    assert shown(text, "the sick corpus uh i have") == "the sick corpus uh i have"


def test_two_hypotheses_that_are_sure_of_another_word_replace_it() -> None:
    text = HeldText()
    shown(text, "we will all go")
    assert shown(text, "we were all going") == "we will all go"
    assert shown(text, "we were all going direct") == "we were all going direct"


def test_one_hypothesis_after_another_that_is_not_sure_replaces_it_in_the_end() -> None:
    text = HeldText()
    shown(text, "a sick port that")
    for _ in range(REPLACED_AFTER - 1):
        assert shown(text, "a sick corpus that", 2).startswith("a sick port")
    assert shown(text, "a sick corpus that", 2) == "a sick corpus that"


def test_a_third_word_begins_anew() -> None:
    text = HeldText()
    shown(text, "it was")
    assert shown(text, "that was the") == "it was"
    assert shown(text, "there was the") == "it was"
    assert shown(text, "that was the") == "it was"


def test_marks_and_capitals_are_those_of_the_newest_hypothesis() -> None:
    text = HeldText()
    shown(text, "of times it was")
    assert shown(text, "of times, It was the") == "of times, It was the"


word = st.sampled_from(["it", "was", "the", "best", "worst", "of", "times.", "Times,"])
hypotheses = st.lists(st.lists(st.tuples(word, st.floats(0, 1)), max_size=9), max_size=20)


@given(hypotheses)
def test_every_hypothesis_is_taken(said: list[list[tuple[str, float]]]) -> None:
    text = HeldText()
    before: list[str] = []
    for hypothesis in said:
        words = [one for one, _ in hypothesis]
        found = text.choose(words, [probability for _, probability in hypothesis])
        assert found in (before, words[: len(found)])
        before = found


@given(st.lists(word, max_size=9), st.integers(ENOUGH, 6))
def test_a_text_that_does_not_change_is_shown_as_a_whole(words: list[str], times: int) -> None:
    text = HeldText()
    for _ in range(times):
        found = text.choose(words, [0.0] * len(words))
    assert found == words
    assert ENOUGH * LEAST >= LAST_SHOWN


@given(hypotheses)
def test_words_that_are_shown_go_only_where_others_take_their_place(
    said: list[list[tuple[str, float]]],
) -> None:
    text, before = HeldText(), list[str]()
    for hypothesis in said:
        words = [one for one, _ in hypothesis]
        found = text.choose(words, [probability for _, probability in hypothesis])
        changed = [normal(a) != normal(b) for a, b in zip(before, found, strict=False)]
        assert len(found) >= len(before) or any(changed)
        before = list(found)
