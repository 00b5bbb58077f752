"""What of a transcript with context can be trusted."""

import pytest

from engines.base import Transcript
from stages.asr.context import RECENT, OwnHypothesis, agrees, spoken_words, without_broken_word


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Five, two, eight.", ["five", "two", "eight"]),
        ("528.", ["5", "2", "8"]),
        ("5-2-8", ["5", "2", "8"]),
        ("Five-two-eight", ["five", "two", "eight"]),
        ("It's 7 o'clock -", ["it's", "7", "o'clock"]),
    ],
)
def test_digits_count_as_they_are_said(text: str, words: list[str]) -> None:
    assert spoken_words(text) == words


@pytest.mark.parametrize(
    ("contextual", "alone", "agree"),
    [
        ("No matter.", "No mother.", True),
        ("", "Again.", False),
        ("Again. Again.", "Again.", False),
        ("528", "Five, two, eight.", True),
        ("Five, two.", "Five, two, eight.", False),
        ("we're all going there", "we are all going there", True),  # one of five words
        ("all going there", "we are all going there", False),
        ("", "", True),
        ("Yes.", "", False),
        ("No, no, no, no, no.", "No, no, no, no, no.", True),
        ("No, no, no, no, no, no.", "No, no, no, no, no, no.", False),  # alone it is counted
    ],
)
def test_a_context_may_change_words_but_hardly_their_number(contextual: str, alone: str, agree: bool) -> None:
    assert agrees(Transcript(contextual), OwnHypothesis(Transcript(alone), 0), 0) is agree


def test_a_hypothesis_of_less_audio_may_lack_what_was_said_since() -> None:
    own = OwnHypothesis(Transcript("one two"), 0)
    assert agrees(Transcript("one two three"), own, RECENT // 2)
    assert not agrees(Transcript("one two three"), own, 0)
    assert not agrees(
        Transcript("one two two"), own, RECENT // 2
    )  # the model, or the speaker: alone it shows
    assert not agrees(Transcript("won to the three"), own, RECENT // 2)
    assert not agrees(Transcript("one two"), own, RECENT + 1)  # too much may have been said since


def test_what_the_model_did_not_end_is_trusted_least() -> None:
    ended, endless = Transcript("no no no"), Transcript("no no", cut_off=True)
    assert not agrees(endless, OwnHypothesis(ended, 0), 0)
    assert agrees(ended, OwnHypothesis(endless, 0), 0)
    assert not agrees(endless, OwnHypothesis(endless, 0), 0)


@pytest.mark.parametrize(
    ("text", "beyond", "kept"),
    [
        ("evil in the Sudan.", "evil in the superlative degree of", "evil in the"),
        ("evil in the superlative", "evil in the superlative degree of", "evil in the superlative"),
        ("evil in the Superlative.", "evil in the superlative degree", "evil in the Superlative."),
        ("heavy in the sea.", "evil in the superlative degree", "heavy in the"),
        ("roger roger", "roger roger over", "roger roger"),
        ("no", "", "no"),
        ("", "some words", ""),
    ],
)
def test_a_word_that_a_cut_broke_is_left_to_the_next_utterance(text: str, beyond: str, kept: str) -> None:
    assert without_broken_word(text, beyond.split()) == kept
