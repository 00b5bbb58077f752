"""What a text says of its end, and how long it is waited for: cases, and what holds for all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.asr.sentence_end import likelihood
from stages.endpoint_rules import LEAST, MOST, MS, SILENT, UNREAD
from stages.vad.adaptive_delay import LIKELY, LONGEST, OVER, UNLIKELY, AdaptiveEndpointDelay

likelihoods = st.floats(0, 1)
pauses = st.lists(st.integers(0, 60_000), max_size=40)


def after(*pauses: int) -> AdaptiveEndpointDelay:
    """The patience with a speaker who has paused so often, for so long (samples)."""
    patience = AdaptiveEndpointDelay()
    for pause in pauses:
        patience.append_pause(pause)
    return patience


@pytest.mark.parametrize(
    ("text", "finished"),
    [
        ("", None),
        ("Fail again", None),
        ("Fail again.", 1.0),
        ("Again?", 1.0),
        ('"Fail better!"', 1.0),
        ("失敗した。", 1.0),
        ("In short,", 0.0),
        ("Well: ", None),
        ("Well:", 0.0),
        ("So far...", 0.0),
        ("So far…", 0.0),
        ("No matter –", 0.0),
        ("and", 0.0),
        ("It was the", 0.0),
        ("It was The.", 0.0),  # models close a text that was cut off
        ("Uh,", 0.0),
        ("Land.", 1.0),
        ("Room 7.", 1.0),
    ],
)
def test_what_a_text_says_of_its_end(text: str, finished: float | None) -> None:
    assert likelihood(text, None, "en") == finished


def test_what_the_engine_says_counts_more_than_the_mark_that_it_set() -> None:
    assert likelihood("In short,", 0.4, "en") == 0.4
    assert likelihood("It was the.", 0.9, "en") == 0.0
    assert likelihood("", 0.9, "en") is None


@pytest.mark.parametrize("language", ["de", "auto", ""])
def test_the_words_count_in_english_only(language: str) -> None:
    assert likelihood("Nous sommes le as.", None, language) == 1.0
    assert likelihood("as", 0.5, language) == 0.5


@given(st.text(), st.none() | likelihoods, st.sampled_from(["en", "auto", "fr"]))
def test_any_text_has_a_likelihood_or_none(text: str, finished: float | None, language: str) -> None:
    found = likelihood(text, finished, language)
    assert found is None or 0 <= found <= 1


def test_a_sentence_that_is_over_is_not_waited_for_and_one_that_is_not_is() -> None:
    patience = AdaptiveEndpointDelay()
    assert patience.required_silence(1.0) == patience.required_silence(LIKELY) == OVER
    assert patience.required_silence(0.0) == patience.required_silence(UNLIKELY) == 600 * MS
    assert patience.required_silence(None) == SILENT
    assert OVER < SILENT < UNREAD


@pytest.mark.parametrize(("pause", "wait"), [(100, 300), (250, 500), (350, 700), (900, 800)])
def test_a_speakers_pauses_say_how_long_to_wait_within_a_sentence(pause: int, wait: int) -> None:
    patience = after(*[pause * MS] * 10)
    assert patience.required_silence(0.0) == wait * MS
    assert patience.required_silence(1.0) == OVER


def test_one_long_pause_is_not_typical_and_old_ones_are_forgotten() -> None:
    assert after(*[250 * MS] * 8, 700 * MS).required_silence(0.0) < 650 * MS
    assert after(*[700 * MS] * 20, *[250 * MS] * 16).required_silence(0.0) == 500 * MS


def test_after_a_very_long_pause_something_new_is_said() -> None:
    assert after(*[LONGEST + 1] * 16).required_silence(0.0) == AdaptiveEndpointDelay().required_silence(0.0)


@given(pauses, st.none() | likelihoods)
def test_no_wait_is_shorter_or_longer_than_allowed(pauses: list[int], finished: float | None) -> None:
    assert LEAST <= after(*pauses).required_silence(finished) <= MOST
    assert LEAST <= UNREAD <= MOST


@given(pauses, likelihoods, likelihoods)
def test_the_likelier_a_sentence_is_over_the_shorter_the_wait(pauses: list[int], a: float, b: float) -> None:
    patience = after(*pauses)
    assert patience.required_silence(max(a, b)) <= patience.required_silence(min(a, b))


@given(st.lists(st.tuples(st.integers(0, LONGEST), st.integers(0, LONGEST)), max_size=40), likelihoods)
def test_the_longer_a_speakers_pauses_the_longer_the_wait(
    pauses: list[tuple[int, int]], finished: float
) -> None:
    short, long = (after(*(choose(pair) for pair in pauses)) for choose in (min, max))
    assert short.required_silence(finished) <= long.required_silence(finished)
