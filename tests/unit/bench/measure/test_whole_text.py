"""Checks how a complete recording is recognized: in pieces that an engine can hear, cut where it is quiet."""

import numpy as np

from bench.measure.whole_text import LONGEST, whole_text
from tests.support.builders import SECOND, pcm
from tests.support.loud_words import LoudWords


def test_a_short_recording_is_one_pass() -> None:
    engine = LoudWords("no")
    assert whole_text(engine, pcm(np.full(2 * SECOND, 20_000))) == "no no no no"
    assert engine.passes == 1


def test_a_long_one_is_cut_where_it_is_quiet_and_no_word_is_lost() -> None:
    engine = LoudWords("no")
    sound = np.full(20 * SECOND, 20_000)
    sound[10 * SECOND : 11 * SECOND] = 0
    assert whole_text(engine, pcm(sound)).split() == ["no"] * 38
    assert engine.passes == 2
    assert len(sound) > LONGEST
