"""Tests which texts of Whisper count as noise, as repetition or as an echo of the vocabulary."""

from dataclasses import replace

import pytest

from engines.repetition import remove_repetition
from engines.whisper.hallucination import DecodedText, is_doubtful, is_echo, is_noise, is_repetition

SURE = DecodedText("It was the best of times.", logprob=-0.1, no_speech=0.1)


@pytest.mark.parametrize(
    ("logprob", "no_speech", "noise"),
    [
        (-0.4, 0.95, True),  # "you" on digital silence
        (-1.1, 0.65, True),  # openai/whisper's rule
        (-0.9, 0.65, False),
        (-1.1, 0.55, False),
    ],
)
def test_noise_is_what_is_surely_no_speech_or_has_unlikely_words(
    logprob: float, no_speech: float, noise: bool
) -> None:
    assert is_noise(DecodedText("you", logprob, no_speech)) is noise


def test_a_repetition_is_a_text_that_does_not_end_or_says_little_in_many_words() -> None:
    assert is_repetition(replace(SURE, endless=True))
    assert is_repetition(replace(SURE, text="and then I said " * 12))
    assert not is_repetition(SURE)


def test_repetitions_and_unlikely_words_deserve_another_attempt_but_noise_does_not() -> None:
    assert is_doubtful(replace(SURE, endless=True))
    assert is_doubtful(replace(SURE, logprob=-1.2))
    assert not is_doubtful(SURE)
    assert not is_doubtful(DecodedText("you", logprob=-1.2, no_speech=0.9))


@pytest.mark.parametrize(
    ("said", "echo"), [("Nell, Nell, Nel", True), ("N", True), ("Nell came", False), ("", False)]
)
def test_an_echo_has_nothing_but_words_of_the_vocabulary(said: str, echo: bool) -> None:
    assert is_echo(said, ("Nagg", "Nell")) is echo


def test_the_repetitions_at_an_end_are_dropped() -> None:
    assert remove_repetition([1, 2, 3, 4, 3, 4, 3, 4, 3, 4]) == [1, 2, 3, 4]
    assert remove_repetition([1, 2, 1, 2]) == [1, 2, 1, 2]
