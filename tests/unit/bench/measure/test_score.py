"""Checks the figures of one playback: time to final, word latency, changes and errors."""

import pytest

from bench.load.playback import DisplayedText, Playback
from bench.measure.score import Score, leaves_at, score_playback, slope
from bench.recordings.recording import Recording

WORDS = (("Hello", 0.2, 0.6), ("there,", 0.7, 1.05), ("you.", 1.1, 1.45))
HELLO = Recording("hello", bytes(2 * 32_000), "Hello there, you.", WORDS, 0.2, 1.45)


def scored(*shown: DisplayedText, recording: Recording = HELLO, error: str | None = None) -> Score:
    return score_playback(Playback(0, recording, 10.0, shown, 0.001, 3.5, error))


def test_a_chunk_leaves_when_its_last_sample_was_spoken() -> None:
    assert [leaves_at(s) for s in (0.0, 0.05, 0.1, 0.101, 1.45)] == pytest.approx([0.1, 0.1, 0.1, 0.2, 1.5])


def test_the_time_to_final_is_from_the_end_of_speech_to_the_last_change_of_the_final_text() -> None:
    found = scored(DisplayedText(0.9, "", "Hello"), DisplayedText(1.9, "Hello there, you.", ""))
    assert found.time_to_final == pytest.approx(0.4)
    assert (found.failed, found.late) == (False, False)


def test_case_and_punctuation_are_no_change() -> None:
    found = scored(DisplayedText(1.9, "hello there you", ""), DisplayedText(2.5, "Hello there, you.", ""))
    assert found.time_to_final == pytest.approx(0.4)


def test_what_is_shown_may_stand_before_it_is_final() -> None:
    found = scored(DisplayedText(1.6, "", "Hello there you"), DisplayedText(1.9, "Hello there, you.", ""))
    assert found.time_to_settle == pytest.approx(0.1)
    assert found.time_to_final == pytest.approx(0.4)


def test_a_tail_that_is_never_final_counts_as_late() -> None:
    found = scored(DisplayedText(1.2, "Hello", ""), DisplayedText(1.9, "Hello", "there, you."))
    assert found.time_to_final == pytest.approx(0.4)
    assert (found.failed, found.late) == (False, True)


def test_a_text_that_stands_after_five_seconds_has_failed() -> None:
    found = scored(DisplayedText(6.6, "Hello there, you.", ""))
    assert (found.failed, found.late) == (True, True)


def test_no_text_has_failed_and_every_word_of_it_is_wrong() -> None:
    found = scored()
    assert (found.failed, found.error, found.time_to_final) == (True, "no text", None)
    assert (found.word_errors, found.reference_words) == (3, 3)


def test_an_error_has_failed_even_with_a_text() -> None:
    assert scored(DisplayedText(1.9, "Hello there, you.", ""), error="lost").failed


def test_each_word_has_its_delay_from_its_end_until_it_is_shown() -> None:
    found = scored(
        DisplayedText(0.9, "", "Hello"),
        DisplayedText(1.3, "", "Hello dare"),
        DisplayedText(1.9, "Hello there, you.", ""),
    )
    assert found.word_latency == pytest.approx((0.3, 0.8, 0.4))
    assert found.word_ends == (0.6, 1.05, 1.45)
    assert found.first_partial == pytest.approx(0.7)


def test_a_word_that_is_guessed_before_it_is_spoken_does_not_count() -> None:
    found = scored(DisplayedText(0.65, "", "Hello there you"), DisplayedText(1.9, "Hello there, you.", ""))
    assert found.word_latency == pytest.approx((0.05,))


def test_words_that_are_never_shown_have_no_delay() -> None:
    assert scored(DisplayedText(1.9, "Hello", "")).word_ends == (0.6,)


def test_errors_are_counted_by_whispers_normalizer() -> None:
    found = scored(DisplayedText(1.9, "HELLO there!", ""))
    assert (found.word_errors, found.reference_words) == (1, 3)


def test_without_a_true_text_nothing_is_wrong_or_right() -> None:
    silent = Recording("x", bytes(64_000), None, WORDS, 0.2, 1.45)
    found = scored(DisplayedText(1.9, "Hello", ""), recording=silent)
    assert (found.word_errors, found.reference_words) == (None, None)


def test_a_growing_lag_has_a_slope() -> None:
    at = [float(i) for i in range(10)]
    assert slope(at, [0.2 + 0.1 * s for s in at]) == pytest.approx(0.1)
    assert slope(at, [0.2] * 10) == pytest.approx(0.0)
    assert slope(at[:3], [0.2] * 3) is None
    assert slope([1.0] * 10, at) is None


def test_only_long_recordings_have_a_slope() -> None:
    words = tuple((f"w{i}", float(i), i + 0.5) for i in range(10))
    long = Recording("long", bytes(32_000 * 11), None, words, 0.0, 9.5)
    shown = [
        DisplayedText(leaves_at(i + 0.5) + 0.2, "", " ".join(f"w{k}" for k in range(i + 1)))
        for i in range(10)
    ]
    assert scored(*shown, recording=long).lag_slope == pytest.approx(0.0, abs=1e-6)
    assert scored(DisplayedText(1.9, "Hello there, you.", "")).lag_slope is None


def test_sentences_that_finals_cut_are_counted() -> None:
    shown = (DisplayedText(1.9, "Hello there, you.", ""),)
    assert scored(*shown).cut_sentences == 0
    assert (
        score_playback(Playback(0, HELLO, 0.0, shown, 0.0, 3.5, None, ("Hello", "there, you."))).cut_sentences
        == 1
    )
