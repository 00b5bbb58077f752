"""Tests how a draft is verified, with logits that are made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from engines.base import Floats
from engines.moonshine.decoding import COMPUTED, LOOP, Hypothesized, is_loop
from engines.moonshine.tokens import END, START, Tokenizer

VOCABULARY = 10
LIKELY = float(np.exp(2) / (np.exp(2) + np.exp(1) + VOCABULARY - 2))  # Of a token that `choices` chooses.


def choices(*tokens: int, second: int = 5) -> Floats:
    """Logits that choose these tokens, and `second` where the best may not be taken."""
    logits = np.zeros((len(tokens), VOCABULARY), np.float32)
    logits[:, second] = 1
    logits[range(len(tokens)), tokens] = 2
    return logits


@pytest.mark.parametrize(
    ("draft", "best", "kept"),
    [
        ((), (7,), (7,)),
        ((7, 8), (7, 8, END), (7, 8, END)),
        ((7, 8), (7, 9, END), (7, 9)),
        ((7, 8), (6, 8, END), (6,)),
    ],
)
def test_a_draft_is_kept_up_to_the_first_other_choice(
    draft: Sequence[int], best: Sequence[int], kept: Sequence[int]
) -> None:
    sequence = Hypothesized([START, *draft], given=1, limit=20)
    sequence.verify(choices(*best))
    assert sequence.tokens == [START, *kept]
    assert sequence.done is (kept[-1] == END)


def test_what_is_given_is_not_verified() -> None:
    sequence = Hypothesized([START, 3, 4, 7, 8], given=3, limit=20)
    sequence.verify(choices(9, 9, 7, 8, END))
    assert sequence.tokens == [START, 3, 4, 7, 8, END]


@pytest.mark.parametrize(("must_begin", "first"), [(False, END), (True, 5)])
def test_one_that_must_begin_does_not_end_before_its_first_token(must_begin: bool, first: int) -> None:
    sequence = Hypothesized([START], given=1, limit=20, must_begin=must_begin)
    sequence.verify(choices(END))
    assert sequence.tokens == [START, first]
    assert (sequence.ended > 0) is must_begin


def test_the_draft_of_one_that_would_have_ended_is_kept() -> None:
    sequence = Hypothesized([START, 5, 7], given=1, limit=20, must_begin=True)
    sequence.verify(choices(END, 7, END))
    assert sequence.tokens == [START, 5, 7, END]
    assert sequence.ended > 0


def test_one_that_begins_by_itself_has_no_such_probability() -> None:
    sequence = Hypothesized([START], given=1, limit=20, must_begin=True)
    sequence.verify(choices(7))
    sequence.append(choices(END)[0])
    assert sequence.tokens == [START, 7, END]
    assert sequence.done
    assert sequence.ended == 0


def test_the_probability_of_a_word_is_that_of_its_least_sure_token() -> None:
    pieces = [b"", b"", b"", "\u2581no".encode(), b"is", b".", "\u2581way".encode(), b"iest"]
    tokenizer = Tokenizer(pieces)
    assert tokenizer.text([3, 4, 7, 5, 6]) == "noisiest. way"
    assert tokenizer.word_probabilities([3, 4, 7, 5, 6], [0.9, 0.7, 0.8, 0.1, 0.6]) == (0.7, 0.6)


def test_tokens_are_as_likely_as_their_logits_say_in_the_draft_too() -> None:
    sequence = Hypothesized([START, 7, 8], given=1, limit=20)
    sequence.verify(choices(7, 9, END))
    sequence.append(choices(4)[0])
    assert sequence.probabilities == pytest.approx([LIKELY] * 3)


def test_what_is_far_from_the_end_of_a_long_draft_counts_as_sure() -> None:
    draft = [7] * (COMPUTED + 2)
    sequence = Hypothesized([START, *draft], given=1, limit=50)
    sequence.verify(choices(*draft, END))
    assert sequence.probabilities == pytest.approx([1.0, 1.0, *[LIKELY] * COMPUTED, LIKELY])


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_a_text_that_repeats_itself_is_not_decoded_to_its_limit(period: int) -> None:
    said = [5, 6, 7, 8][:period]
    sequence = Hypothesized([START], given=1, limit=200)
    sequence.verify(choices(9))
    for at in range(100):
        if sequence.done:
            break
        sequence.append(choices(said[at % period])[0])
    assert len(sequence.tokens) == 2 + period + LOOP


@pytest.mark.parametrize("period", [1, 2, 4, 5, 8])
def test_a_loop_is_the_same_tokens_again_and_again(period: int) -> None:
    once = list(range(3, 3 + period))
    looping = once * (LOOP // period + 2 + 3)
    assert is_loop(looping)
    assert is_loop([30, 31, *looping])
    assert not is_loop([*looping, 30])
    assert not is_loop(looping[: LOOP + period - 1])


def test_what_is_given_is_no_loop_of_the_model() -> None:
    given = [START, *[7] * 40]
    sequence = Hypothesized(given, given=len(given), limit=100)
    sequence.verify(choices(*[7] * len(given)))
    assert not sequence.done
