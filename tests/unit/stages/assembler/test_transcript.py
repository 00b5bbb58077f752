"""The text of an utterance while it grows: what is called stable stays."""

from hypothesis import given
from hypothesis import strategies as st

from stages.assembler.transcript import AGREEING, UNSTABLE, PartialText, UtteranceText

word = st.sampled_from(["it", "was", "the", "best", "Best,", "worst", "of", "times.", "a", "é"])
spaces = st.sampled_from([" ", "  ", " \n"])
texts = st.builds(lambda words, space: space.join(words), st.lists(word, max_size=14), spaces)


SAID = "it was the best of times it was the worst of times it was the age of wisdom"


def first(count: int) -> str:
    return " ".join(SAID.split()[:count])


def test_words_are_stable_when_enough_hypotheses_agree_and_enough_words_follow() -> None:
    text = UtteranceText()
    for _ in range(AGREEING - 1):
        assert text.append_partial(first(UNSTABLE + 2)) == PartialText(first(UNSTABLE + 2), 0)
    assert text.append_partial(first(UNSTABLE + 3)) == PartialText(first(UNSTABLE + 3), len(first(2)))
    assert text.finalize(first(9) + " word") == first(9) + " word"


def test_a_hypothesis_that_differs_puts_it_off() -> None:
    text = UtteranceText()
    for _ in range(AGREEING - 1):
        text.append_partial(first(UNSTABLE + 2))
    assert text.append_partial("It" + first(UNSTABLE + 2)[2:]).stable == 0


def test_a_hypothesis_that_changes_its_mind_goes_on_behind_what_is_stable() -> None:
    text = UtteranceText()
    for _ in range(AGREEING):
        text.append_partial(first(UNSTABLE + 4))
    assert text.append_partial("It was the beast of times, it") == PartialText(
        "it was the best of times, it", len("it was the best")
    )
    assert text.finalize("at was a") == "it was the best"


def test_a_sentence_begins_with_a_capital() -> None:
    text = UtteranceText(begins_sentence=True)
    assert text.append_partial("it was").text == "It was"
    said = text.finalize("it was the best.")
    assert said == "It was the best."
    text = text.following(said)
    assert text.finalize("é") == "É"
    assert text.following("É").finalize("it was") == "it was"
    assert text.following("").finalize("it was") == "It was"


def test_words_that_the_utterance_before_has_are_left_out() -> None:
    text = UtteranceText(previous_words=("of", "times"))
    assert text.append_partial("of times, it was").text == "it was"
    assert text.finalize("Of times it was the") == "it was the"


@given(
    st.lists(word, max_size=8).map(tuple),
    st.booleans(),
    st.lists(texts, max_size=12) | st.builds(lambda t, n: [t] * n, texts, st.integers(0, 2 * AGREEING)),
    texts,
)
def test_what_is_stable_begins_all_later_partials_and_the_final(
    before: tuple[str, ...], begins: bool, hypotheses: list[str], last: str
) -> None:
    text, promised = UtteranceText(before, begins), ""
    for hypothesis in hypotheses:
        partial = text.append_partial(hypothesis)
        assert partial.text == " ".join(partial.text.split())
        assert 0 <= partial.stable <= len(partial.text)
        assert partial.text.startswith(promised)
        assert partial.text[: partial.stable].startswith(promised)
        promised = partial.text[: partial.stable]
    assert text.finalize(last).startswith(promised)


@given(st.lists(word, min_size=1, max_size=10), st.data())
def test_growing_hypotheses_are_shown_as_they_are(words: list[str], data: st.DataObject) -> None:
    text = UtteranceText()
    lengths = sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=10)))
    for length in lengths:
        assert text.append_partial(" ".join(words[:length])).text == " ".join(words[:length])
    assert text.finalize(" ".join(words)) == " ".join(words)


probable = st.lists(st.tuples(word, st.floats(0, 1)), max_size=14)


@given(st.lists(probable, max_size=25))
def test_stable_words_stay_whatever_else_is_held_back(said: list[list[tuple[str, float]]]) -> None:
    text, promised = UtteranceText(), ""
    for hypothesis in said:
        words, probabilities = [one for one, _ in hypothesis], [each for _, each in hypothesis]
        partial = text.append_partial(" ".join(words), probabilities)
        assert partial.text.startswith(promised)
        assert partial.stable <= len(partial.text)
        promised = partial.text[: partial.stable]
    assert text.finalize("it was").startswith(promised)


def test_a_word_that_the_model_is_not_sure_of_is_not_shown_at_first() -> None:
    text = UtteranceText()
    assert text.append_partial("it was the word", (0.9, 0.9, 0.9, 0.3)).text == "it was the"
    assert text.append_partial("it was the worst", (1.0, 1.0, 1.0, 0.9)).text == "it was the worst"
    assert text.finalize("it was the worst") == "it was the worst"
