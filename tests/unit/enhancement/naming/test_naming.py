"""Names of speakers: introductions, enrolled voices, and labels that stay with their voices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enhancement.naming.introductions import introduced_name
from enhancement.naming.labels import SpokenSpan, stable_labels
from enhancement.naming.voices import Floats, KnownVoice, recognize


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (["My name is Maria Lopez and I work here."], "Maria Lopez"),
        (["Well, yes.", "Hello everyone, this is Maria."], "Maria"),
        (["Hi, I'm Tom from the support."], "Tom"),
        (["This is Maria speaking."], "Maria"),
        (["This is Maria."], "Maria"),
        (["Good morning, my name's O'Brien."], "O'Brien"),
        (["My name is Maria.", "As I said, my name is Maria Lopez."], "Maria Lopez"),
        (["Right.", "This is Maria."], None),
        (["This is London."], "London"),
        (["So this is London, where we live."], None),
        (["I'm Sorry about that."], None),
        (["Hello, I'm Happy to be here."], None),
        (["Hi, I'm Fine."], None),
        (["My name is Maria.", "My name is Tom."], None),
        (["Her name is Maria."], None),
        (["my name is not important"], None),
        ([], None),
    ],
)
def test_introductions(said: list[str], name: str | None) -> None:
    assert introduced_name(said) == name


@given(st.lists(st.text(), max_size=4))
def test_any_text_is_read(texts: list[str]) -> None:
    name = introduced_name(texts)
    assert name is None or name[0].isupper()


def voice(*values: float) -> Floats:
    found = np.array(values, dtype=np.float32)
    return found / np.float32(np.linalg.norm(found))


MARIA, TOM = voice(1, 0, 0), voice(0, 1, 0)
KNOWN = [KnownVoice("Maria", MARIA), KnownVoice("Tom", TOM)]


def test_a_voice_is_named_above_the_threshold_alone() -> None:
    voices = {"S1": voice(0.9, 0.1, 0.3), "S2": voice(0.5, 0, 1)}
    found = recognize(voices, KNOWN, 0.6)
    assert {label: each.name for label, each in found.items()} == {"S1": "Maria"}
    assert recognize(voices, [], 0.6) == {}


def test_a_person_is_one_speaker_and_who_sounds_like_two_is_nobody() -> None:
    voices = {"S1": voice(1, 0, 0.3), "S2": voice(1, 0, 0.1), "S3": voice(1, 1, 0)}
    found = recognize(voices, KNOWN, 0.5)
    assert {label: each.name for label, each in found.items()} == {"S2": "Maria"}


def test_voices_of_another_model_are_never_compared() -> None:
    assert recognize({"S1": voice(1, 0)}, KNOWN, 0.1) == {}


def spans(*found: tuple[float, float, str]) -> list[SpokenSpan]:
    return [SpokenSpan(*each) for each in found]


def test_labels_stay_with_their_voices() -> None:
    before = spans((0, 5, "S1"), (5, 9, "S2"), (10, 12, "S1"))
    now = spans((0, 4.9, "b"), (5.1, 9, "a"), (10, 12, "b"), (13, 14, "c"))
    assert stable_labels(before, now) == {"b": "S1", "a": "S2", "c": "S3"}


def test_a_voice_that_is_split_keeps_its_label_where_most_of_it_is() -> None:
    labels = stable_labels(spans((0, 10, "S1")), spans((0, 7, "x"), (7, 10, "y")))
    assert labels == {"x": "S1", "y": "S2"}


def test_first_labels_go_by_the_first_word() -> None:
    assert stable_labels([], spans((3, 4, "x"), (0, 1, "y"))) == {"y": "S1", "x": "S2"}


SPANS = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0.1, 5), st.sampled_from("abcd")).map(
        lambda each: SpokenSpan(each[0], each[0] + each[1], each[2])
    ),
    max_size=12,
)


@given(SPANS, SPANS)
def test_every_speaker_has_one_label_of_its_own(before: list[SpokenSpan], now: list[SpokenSpan]) -> None:
    labels = stable_labels(before, now)
    assert labels.keys() == {span.speaker for span in now}
    assert len(set(labels.values())) == len(labels)


@given(SPANS)
def test_the_same_voices_keep_all_their_labels(before: list[SpokenSpan]) -> None:
    alone = [span for span in before if span.speaker == "a"]
    assert stable_labels(alone, alone) == ({"a": "a"} if alone else {})
