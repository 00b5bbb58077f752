"""Words against words: what an overlap repeats, and where a text goes on behind its frozen prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.alignment import REACH, common_prefix, continuation, normal, repeated, same

words = st.lists(st.sampled_from(["one", "Two,", "three.", "seventeen", "ago", "mountain"]), max_size=12)
distinct = st.lists(
    st.sampled_from(["ant", "bicycle", "crown", "drum", "elephant", "fig", "guitar", "hymn", "ink", "jump"]),
    unique=True,
    max_size=10,
)


@pytest.mark.parametrize(
    ("word", "compared"),
    [("Hello,", "hello"), ("don't", "don't"), ("“Zürich”", "zürich"), ("...", ""), ("U.S.", "us")],
)
def test_words_are_compared_without_case_and_punctuation(word: str, compared: str) -> None:
    assert normal(word) == compared


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("Hello", "hello,", True),
        ("mountain", "mountains", True),
        ("colour", "color", True),
        ("cat", "dog", False),
        ("a", "the", False),
        ("no", "know", False),
        ("1965", "1966", False),
        ("196", "1966", True),
    ],
)
def test_words_that_are_nearly_the_same(a: str, b: str, alike: bool) -> None:
    assert same(a, b) is alike
    assert same(b, a) is alike


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("", "", 0),
        ("we hold these", "", 0),
        ("", "these truths", 0),
        ("we hold these", "truths to be", 0),
        ("we hold these", "these truths", 1),
        ("we hold these truths", "these truths to be", 2),
        ("we hold these truths", "These truths, to be", 2),
        ("we hold these truths", "these truth to be", 2),  # misheard, but alike
        ("we hold these truths t", "these truths to be", 2),  # half a word before the cut
        ("we hold these truths", "ease these truths to be", 3),  # half a word after it
        ("we hold these truths", "ooze hold these truths to", 4),
        ("these truths we hold", "these truths we hold", 4),
        ("the the the", "the the", 2),
        ("it is an elephant", "phant in the room", 1),  # its beginning was cut off
        ("it was an ant", "elephant in the room", 0),
        ("a b c d e f g h i j", "c d e f g h i j k", 8),
        ("these truths are quite something else", "these truths", 0),  # not at the cut
        ("1964, 1965,", "1966, 1967", 0),
        ("9641, 1964", "2964 3964", 0),
        ("1964, 1965,", "965, 1966", 1),
    ],
)
def test_what_an_overlap_repeats(before: str, after: str, count: int) -> None:
    assert repeated(before.split(), after.split()) == count


@pytest.mark.parametrize(
    ("before", "after", "expected", "count"),
    [
        ("left right left right left right", "left right left right left right", 2.2, 2),
        ("left right left right left", "right left right left right", 2.2, 2),
        ("no no no no no no", "no no no no no no no", 2.6, 3),
        ("no no no no no no", "no no no no no no no", 1.2, 1),
        ("say roger roger", "roger over", 1.0, 1),
        ("it said roger", "roger roger over", 1.0, 1),  # once in the overlap, once behind it
        ("we hold these truths", "hold these truths to be", 1.5, 3),  # words come closer together there
        ("one two three four five six", "one two three four five six", 1.0, 0),  # more than it can hold
        ("better than", "then we go", 2.0, 0),
        ("over there", "their house", 1.0, 1),
        ("we hold these truths", "these truths to be", 0.0, 0),
    ],
)
def test_an_overlap_repeats_no_more_than_it_holds(
    before: str, after: str, expected: float, count: int
) -> None:
    assert repeated(before.split(), after.split(), expected) == count


@given(words, words, st.floats(0, 10))
def test_the_bound_holds_for_all_words(before: list[str], after: list[str], expected: float) -> None:
    assert repeated(before, after, expected) <= 2 * expected + 1


@given(words, words)
def test_no_more_is_repeated_than_there_is(before: list[str], after: list[str]) -> None:
    assert 0 <= repeated(before, after) <= min(len(after), REACH + 1)


@given(distinct, st.integers(0, 10), st.integers(1, REACH))
def test_an_overlap_that_was_heard_right_is_found(said: list[str], cut: int, overlap: int) -> None:
    resume = max(0, min(cut, len(said)) - overlap)
    before, after = said[:cut], said[resume:]
    assert before + after[repeated(before, after) :] == said


@given(words, words)
def test_common_prefix(a: list[str], b: list[str]) -> None:
    count = common_prefix(a, b)
    assert a[:count] == b[:count]
    assert count == min(len(a), len(b)) or a[count] != b[count]


@pytest.mark.parametrize(
    ("frozen", "heard", "rest"),
    [
        ("", "", ""),
        ("", "so it begins", "so it begins"),
        ("so it", "so it begins", "begins"),
        ("so it", "So, it begins", "begins"),
        ("so it", "it begins", "begins"),  # a word went missing
        ("so it", "and so it begins", "begins"),  # one came in
        ("so it", "sew it begins", "begins"),  # one was misheard
        ("so it begins", "so it", ""),
        ("so it begins", "", ""),
        ("over and over and", "over and over and over", "over"),
    ],
)
def test_where_a_text_goes_on(frozen: str, heard: str, rest: str) -> None:
    words = heard.split()
    assert " ".join(words[continuation(frozen.split(), words) :]) == rest


@given(words, words)
def test_a_text_goes_on_behind_its_prefix(frozen: list[str], rest: list[str]) -> None:
    assert continuation(frozen, frozen + rest) == len(frozen)


@given(words, words)
def test_a_continuation_is_within_the_words(frozen: list[str], heard: list[str]) -> None:
    assert 0 <= continuation(frozen, heard) <= len(heard)
