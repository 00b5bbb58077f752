"""Checks which words of an unfinished utterance are shown, and that the shown ones stay."""

from hypothesis import given
from hypothesis import strategies as st

from stages.assembler.held_text import RELEASED_AFTER, SURE, HeldText

FEW = 0.1  # A probability at which a word is not shown at once.


def shown(text: HeldText, said: str, *unsure: int) -> str:
    """What is shown after a hypothesis of which the words with these numbers are unsure."""
    words = said.split()
    return " ".join(text.choose(words, [FEW if at in unsure else 0.99 for at in range(len(words))]))


def test_a_sure_word_is_shown_at_once() -> None:
    assert shown(HeldText(), "it was the best") == "it was the best"


def test_an_unsure_word_waits_for_a_second_hypothesis_and_so_does_what_follows_it() -> None:
    text = HeldText()
    assert shown(text, "it was a beast of", 3) == "it was a"
    assert shown(text, "it was a beast of times", 3) == "it was a beast of times"


def test_the_last_word_has_to_be_surer() -> None:
    words = ["it", "was", "the"]
    assert HeldText().choose(words, [SURE] * 3) == ["it", "was"]


def test_a_spelling_that_takes_turns_does_not_flicker_and_the_text_goes_on_behind_it() -> None:
    text = HeldText()
    shown(text, "some of its noisiest authorities")
    shown(text, "some of its noisiest authorities insisted")
    assert shown(text, "some of its noisyest authorities insisted on") == (
        "some of its noisiest authorities insisted on"
    )
    assert shown(text, "some of its noisiest authorities insisted on its") == (
        "some of its noisiest authorities insisted on its"
    )


def test_what_is_held_is_given_up_when_hypotheses_agree_on_something_else() -> None:
    text = HeldText()
    for _ in range(2):
        shown(text, "a sick port that")
    for _ in range(RELEASED_AFTER):
        assert shown(text, "a sick corpus that").startswith("a sick port")
    assert shown(text, "a sick corpus that") == "a sick corpus that"


def test_marks_and_capitals_are_those_of_the_newest_hypothesis() -> None:
    text = HeldText()
    shown(text, "of times it was")
    assert shown(text, "of times, It was the") == "of times, It was the"


word = st.sampled_from(["it", "was", "the", "best", "worst", "of", "times.", "Times,"])
hypotheses = st.lists(st.lists(st.tuples(word, st.floats(0, 1)), max_size=9), max_size=20)


@given(hypotheses)
def test_every_hypothesis_is_taken(said: list[list[tuple[str, float]]]) -> None:
    text = HeldText()
    for hypothesis in said:
        words = [one for one, _ in hypothesis]
        found = text.choose(words, [probability for _, probability in hypothesis])
        assert set(found) <= {*words, *text.held}
        assert found[: len(text.held)] == text.held


@given(st.lists(word, max_size=9), st.integers(2, 5))
def test_a_text_that_does_not_change_is_shown_as_a_whole(words: list[str], times: int) -> None:
    text = HeldText()
    for _ in range(times):
        found = text.choose(words, [0.0] * len(words))
    assert found == words
