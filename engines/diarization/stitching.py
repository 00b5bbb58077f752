"""Makes turns of what was found in windows that overlap, and of the speakers of their pieces."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engines.diarization.base import Turn
from engines.diarization.clustering import Labels
from engines.diarization.pieces import VoicePiece
from engines.diarization.segmentation import PEOPLE, Flags, Window, seconds_at, spans_of

Counts: TypeAlias = npt.NDArray[np.int32]
Person: TypeAlias = tuple[int, int]
"""The number of a window, and of a person in it."""

GAP: Final = (
    12  # Frames (0.2 s) of a speaker's silence, at most, that do not divide a turn: pauses between words.
)
ROUNDING: Final = (
    0.7  # Added to the mean number of people before it is cut off: one window of three is enough.
)


def turns_of(windows: Sequence[Window], pieces: Sequence[VoicePiece], speakers: Labels) -> list[Turn]:
    """The turns in order of time, divided where others begin or end to speak at the same time.

    `speakers` are those of the pieces; one whom others outvote everywhere has no turn.
    """
    speaking = activity(windows, pieces, speakers)
    for column in speaking.T:
        _fill_gaps(column)
    several = speaking.sum(axis=1) > 1
    found = [
        Turn(seconds_at(start), seconds_at(end), speaker, overlap)
        for speaker, column in enumerate(speaking.T)
        for overlap in (False, True)
        for start, end in spans_of(column & (several == overlap))
    ]
    return sorted(found, key=lambda turn: (turn.start, turn.speaker))


def activity(windows: Sequence[Window], pieces: Sequence[VoicePiece], speakers: Labels) -> Flags:
    """Which speakers speak in which frames of the recording: [frames, speakers].

    In a frame so many speak as the windows that see it say on average, and those whom most of them name.
    """
    frames = max((window.first + len(window.speaking) for window in windows), default=0)
    votes = np.zeros((frames, int(speakers.max(initial=-1)) + 1), np.int32)
    people, seen = np.zeros(frames, np.int32), np.zeros(frames, np.int32)
    known = _by_person(pieces, speakers)
    for window in windows:
        part = slice(window.first, window.first + len(window.speaking))
        seen[part] += 1
        people[part] += window.speaking.sum(axis=1)
        for person in range(PEOPLE):
            _vote(votes[part], window, person, known)
    return _most_voted(votes, np.floor(people / np.maximum(seen, 1) + ROUNDING).astype(np.int32))


def _by_person(
    pieces: Sequence[VoicePiece], speakers: Labels
) -> Mapping[Person, list[tuple[VoicePiece, int]]]:
    found: dict[Person, list[tuple[VoicePiece, int]]] = defaultdict(list)
    for piece, speaker in zip(pieces, speakers, strict=True):
        found[piece.window, piece.person].append((piece, int(speaker)))
    return found


def _vote(
    votes: Counts, window: Window, person: int, known: Mapping[Person, list[tuple[VoicePiece, int]]]
) -> None:
    """Add the votes of one person of a window to those of its frames.

    Alone, a person is the speaker of the nearest piece; at the same time as others, the one of most pieces.
    """
    pieces, frames = known.get((window.number, person), []), np.flatnonzero(window.speaking[:, person])
    if not pieces or not len(frames):
        return
    middles = np.array([piece.middle for piece, _ in pieces])
    speakers = np.array([speaker for _, speaker in pieces])
    mostly = np.bincount(speakers, [piece.seconds for piece, _ in pieces]).argmax()
    nearest = speakers[np.abs(frames[:, None] - middles).argmin(axis=1)]
    alone = window.alone[frames, person]
    votes[frames, np.where(alone, nearest, mostly)] += 1


def _most_voted(votes: Counts, people: Counts) -> Flags:
    """The speakers with most votes in each frame, as many as people speak; no one without a vote."""
    found = np.zeros(votes.shape, np.bool_)
    order = np.argsort(-votes, axis=1, kind="stable")
    for place in range(min(PEOPLE, votes.shape[1])):
        frames = np.flatnonzero(people > place)
        speakers = order[frames, place]
        found[frames, speakers] = votes[frames, speakers] > 0
    return found


def _fill_gaps(speaking: Flags) -> None:
    """Let a speaker go on through short pauses, in place."""
    for start, end in _gaps(speaking):
        if end - start <= GAP:
            speaking[start:end] = True


def _gaps(speaking: Flags) -> Iterator[tuple[int, int]]:
    spans = spans_of(speaking)
    for (_, end), (start, _) in pairwise(spans):
        yield end, start
