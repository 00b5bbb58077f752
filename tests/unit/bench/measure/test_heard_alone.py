"""Checks that each part of a case is decoded alone, and long ones in pieces."""

import numpy as np

from bench.measure.heard_alone import LONGEST, SEARCH, heard_alone
from bench.measure.in_pieces import pieces
from bench.recordings.spoken_case import SaidPart, SpokenCase
from tests.support.builders import SECOND
from tests.support.loud_words import LoudWords


def test_each_part_is_decoded_without_the_others_in_three_ways() -> None:
    sound = np.full(4 * SECOND, 0.1, np.float32)
    parts = (SaidPart("a a", 0, SECOND), SaidPart("a a a a", 2 * SECOND, 4 * SECOND))
    for part in parts:
        sound[part.start : part.end] = 0.6
    engine = LoudWords()
    heard = heard_alone(engine, SpokenCase("numbers", "a", sound, parts))
    assert heard == [("word word",) * 3, ("word word word word",) * 3]
    assert engine.passes == 6


def test_a_long_part_is_cut_where_it_is_quiet() -> None:
    sound = np.full(13 * SECOND, 0.6, np.float32)
    sound[5 * SECOND : 5 * SECOND + 800] = 0.0
    cut = list(pieces(sound, LONGEST, SEARCH))
    assert np.array_equal(np.concatenate(cut), sound)
    assert all(len(piece) <= LONGEST for piece in cut)
    assert 5 * SECOND <= len(cut[0]) <= 5 * SECOND + 800
