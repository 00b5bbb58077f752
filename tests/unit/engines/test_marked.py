"""The engine that reads marks hears each one that is whole, and nothing in real speech."""

import numpy as np
import pytest

from engines.base import Floats, Job
from engines.marked import BASE, MARK, PCM, Marked, make_mark, read_marks, spoken_marks
from tests.support.speech import samples


def as_floats(audio: PCM) -> Floats:
    """As an engine gets it."""
    return audio.astype(np.float32) / np.float32(32768)


@pytest.mark.parametrize("number", [0, 1, 199, 200, BASE * BASE - 1])
def test_a_mark_is_heard_where_all_of_it_is_there(number: int) -> None:
    audio = np.concatenate([np.zeros(100, np.int16), make_mark(number), np.zeros(100, np.int16)])
    floats = as_floats(audio)
    assert read_marks(floats) == [number]
    assert read_marks(floats[100 : 100 + MARK]) == [number]
    assert read_marks(floats[101:]) == read_marks(floats[: 99 + MARK]) == []


def test_several_marks_are_heard_in_order_and_read_from_a_transcript() -> None:
    audio = np.concatenate([make_mark(7), np.zeros(50, np.int16), make_mark(3)])
    (transcript,) = Marked().transcribe([Job(as_floats(audio))])
    assert transcript.text == "00007 00003"
    assert spoken_marks(transcript.text) == [7, 3]


@pytest.mark.parametrize("length", [0, 5])
def test_too_little_audio_has_no_mark(length: int) -> None:
    assert read_marks(np.zeros(length, np.float32)) == []


def test_no_speech_has_a_mark_by_chance() -> None:
    assert read_marks(as_floats(samples("two_cities.wav"))) == []
