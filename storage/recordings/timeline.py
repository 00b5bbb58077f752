"""Lays the segments of a session on its clock: each sample once, and where there is none, a gap.

Positions are sample frames of the client's own stream. Where two writers have the same samples, those of the
later one count: it is what its transcript comes from.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.recordings.layout import SegmentName


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """A file with the sample frames from `name.first` on."""

    name: SegmentName
    frames: int

    @property
    def end(self) -> int:
        """The first sample frame behind it."""
        return self.name.first + self.frames


@dataclass(frozen=True, slots=True)
class Piece:
    """The sample frames from `start` to `end`, of a segment; without one, nobody has them."""

    start: int
    end: int
    segment: RecordedSegment | None


def lay_out(segments: Iterable[RecordedSegment], received: int = 0) -> list[Piece]:
    """All sample frames in order, without a hole, up to the last that somebody has, or `received`."""
    covered: list[Piece] = []
    for segment in sorted(segments, key=lambda each: (each.name.writer, each.name.first)):
        covered = _put(covered, segment)
    return list(_with_gaps(covered, received))


def gaps(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Where the sample frames are missing."""
    return [(piece.start, piece.end) for piece in pieces if piece.segment is None]


def _put(covered: list[Piece], segment: RecordedSegment) -> list[Piece]:
    """The pieces with a segment on top of them."""
    start, end = segment.name.first, segment.end
    if start == end:
        return covered
    before = [Piece(p.start, min(p.end, start), p.segment) for p in covered if p.start < start]
    behind = [Piece(max(p.start, end), p.end, p.segment) for p in covered if p.end > end]
    return [*before, Piece(start, end, segment), *behind]


def _with_gaps(pieces: Iterable[Piece], received: int) -> Iterable[Piece]:
    at = 0
    for piece in pieces:
        if piece.start > at:
            yield Piece(at, piece.start, None)
        yield piece
        at = piece.end
    if received > at:
        yield Piece(at, received, None)
