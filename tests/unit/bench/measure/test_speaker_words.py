"""Checks the word errors of conversations."""

from bench.measure.speaker_words import speaker_word_errors

SAID = {"Ann": "red green blue", "Ben": "black white"}


def test_labels_do_not_matter() -> None:
    assert speaker_word_errors(SAID, {"S1": "black white", "S2": "red green blue"}) == (0, 5)


def test_a_word_that_is_given_to_somebody_else_is_wrong_twice() -> None:
    assert speaker_word_errors(SAID, {"S1": "red green", "S2": "blue black white"}) == (2, 5)


def test_a_speaker_too_many_and_one_too_few_count() -> None:
    assert speaker_word_errors(SAID, {"S1": "red green blue", "S2": "black", "S3": "white"}) == (2, 5)
    assert speaker_word_errors(SAID, {"S1": "red green blue"}) == (2, 5)
    assert speaker_word_errors(SAID, {}) == (5, 5)
