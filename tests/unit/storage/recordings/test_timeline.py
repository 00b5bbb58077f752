"""Segments on the clock of their session: each sample once, from whoever had the session last."""

from hypothesis import given
from hypothesis import strategies as st

from storage.recordings.layout import SegmentName
from storage.recordings.timeline import Piece, RecordedSegment, gaps, lay_out


def segment(first: int, end: int, writer: str = "00000-aaaa") -> RecordedSegment:
    return RecordedSegment(SegmentName(first, writer), end - first)


def test_segments_that_follow_each_other_have_no_gap() -> None:
    one, two = segment(0, 10), segment(10, 25)
    assert lay_out([two, one]) == [Piece(0, 10, one), Piece(10, 25, two)]


def test_what_nobody_has_is_a_gap() -> None:
    one, two = segment(5, 10), segment(20, 25)
    assert gaps(lay_out([one, two])) == [(0, 5), (10, 20)]


def test_what_was_received_behind_the_last_segment_is_a_gap() -> None:
    assert gaps(lay_out([segment(0, 10)], 25)) == [(10, 25)]
    assert gaps(lay_out([segment(0, 10)], 5)) == []


def test_the_later_writer_has_the_word_and_the_earlier_one_the_rest() -> None:
    old, new = segment(0, 30), segment(10, 20, "00001-aaaa")
    assert lay_out([new, old]) == [Piece(0, 10, old), Piece(10, 20, new), Piece(20, 30, old)]


SEGMENTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20), st.sampled_from("abc")), max_size=12)


@given(SEGMENTS)
def test_each_sample_comes_once_and_from_the_last_writer_that_has_it(
    drawn: list[tuple[int, int, str]],
) -> None:
    segments = [segment(first, first + size, writer) for first, size, writer in drawn]
    pieces = lay_out(segments)
    at = 0
    for piece in pieces:
        assert piece.start == at < piece.end
        at = piece.end
        for sample in range(piece.start, piece.end):
            having = [each for each in segments if each.name.first <= sample < each.end]
            if piece.segment is None:
                assert having == []
            else:
                assert piece.segment in having
                assert piece.segment.name.writer == max(each.name.writer for each in having)
    assert at == max((each.end for each in segments if each.frames), default=0)
