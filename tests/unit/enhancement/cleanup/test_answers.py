"""The JSON in the answers of a language model, whatever else it says."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enhancement.cleanup import answers
from enhancement.cleanup.answers import MAX_ANSWER, MAX_READ, find_json
from enhancement.cleanup.chat import ChatFailed
from enhancement.cleanup.cleaning import clean_utterances
from enhancement.cleanup.summary import sum_up
from tests.support.hostile_frames import fewer, hostile_objects


class Said(msgspec.Struct):
    """What is looked for."""

    text: str


class Parrot:
    """A language model that has one answer."""

    name = "parrot"

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def ask(self, _rules: str, _question: str) -> str:
        """The answer."""
        return self._answer


NAMES = ("utterances", "id", "text", "summary", "action_items")
ANSWERS = st.text() | hostile_objects(NAMES, ("we go", "\ud800", "\x00"))


@fewer(2)
@given(st.lists(ANSWERS, max_size=3).map("\n".join))
def test_any_answer_gives_a_text_that_can_be_kept_or_none(answer: str) -> None:
    cleaning = clean_utterances(["so we go", "there"], Parrot(answer))
    msgspec.json.encode(cleaning.texts)
    with suppress(ChatFailed):
        msgspec.json.encode(sum_up([(None, "so we go")], Parrot(answer)))


@given(st.text(st.characters(exclude_characters="{["), max_size=30), st.text(st.characters(codec="utf-8")))
def test_what_is_there_is_found(around: str, text: str) -> None:
    assert find_json(around + json.dumps({"text": text}) + around, Said) == Said(text)


def test_half_a_character_is_no_text() -> None:
    assert find_json('{"text": "we \\ud800"} {"text": "we go"}', Said) == Said("we go")


@pytest.mark.parametrize(
    "answer",
    [
        "[" * MAX_ANSWER,
        '{"text":' * MAX_ANSWER,
        "[0," * MAX_ANSWER,
        "[" * 900 + "0," * MAX_ANSWER,
        '["' + "[" * MAX_ANSWER,
        "[" + "9" * MAX_ANSWER,
    ],
)
def test_an_answer_that_begins_often_is_not_read_for_ever(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    read_at = answers._read_at

    def counted(text: str, at: int) -> tuple[Any, int]:
        nonlocal read
        value, length = read_at(text, at)
        read += length
        return value, length

    monkeypatch.setattr(answers, "_read_at", counted)
    assert find_json(answer, Said) is None
    assert read <= MAX_READ + MAX_ANSWER
