"""Finds which pieces of speech are of one speaker, and how many speakers there are."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.base import Floats
from engines.diarization.clustering import (
    Labels,
    Merge,
    OnPart,
    labels_after,
    means_of,
    merges,
    reduce_vectors,
)
from engines.diarization.pieces import VoicePiece
from engines.diarization.segmentation import Flags

THRESHOLD: Final = 0.38
"""How alike the voices of two clusters must be at least, on average, to be one speaker's.

It was chosen on half of the measured meetings, where 0.36 to 0.43 do about the same (docs/performance.md)."""
KNOWN_WELL: Final = 6.0  # Seconds of speech of a cluster, from which its mean voice says who it is.
DISTINCT: Final = 0.58
"""How alike the mean voices of two clusters must be that are known well, to be one speaker's.

From 0.55 to 0.6 all that was measured is the same; with less, like voices are one, with more, one is two."""
CONTEXT: Final = 0.25  # Weight of the mean voice of a person's window beside that of the piece.
CLEAR: Final = 0.8  # Seconds of a piece at least, to take part in clustering; the rest is given out behind.
LEAST_SHARE: Final = 0.02  # Share of all speech that makes a cluster a speaker,
LEAST_SECONDS: Final = 10.0  # and seconds that do so, however long the recording is.


def speakers_of(
    pieces: Sequence[VoicePiece], count: int | None = None, on_part: OnPart = lambda: None
) -> Labels:
    """The speaker of each piece; all numbers from 0 on are used.

    With a `count` there are so many, unless there are fewer pieces. `on_part` is called every second or so.
    """
    if not pieces:
        return np.zeros(0, np.intp)
    vectors, seconds = _vectors(pieces), np.array([piece.seconds for piece in pieces], np.float32)
    clear = np.flatnonzero(seconds >= CLEAR)
    if len(clear) < (count or 1):
        clear = np.arange(len(pieces))
    labels = _cluster(vectors[clear], seconds[clear], count, on_part)
    means, _ = means_of(vectors[clear], seconds[clear], labels)
    found = (vectors @ _directions(means).T).argmax(axis=1)
    found[clear] = labels
    return np.unique(found, return_inverse=True)[1]


def _vectors(pieces: Sequence[VoicePiece]) -> Floats:
    """A vector of length 1 for each piece: of its own voice, and that of its person in the window."""
    own, context = np.sqrt(1 - CONTEXT), np.sqrt(CONTEXT)
    return np.array([np.concatenate([own * p.voice, context * p.context]) for p in pieces], np.float32)


def _cluster(vectors: Floats, seconds: Floats, count: int | None, on_part: OnPart) -> Labels:
    labels = reduce_vectors(vectors, seconds, THRESHOLD, on_part)
    means, sums = means_of(vectors, seconds, labels)
    history = merges(means, sums)
    done = sum(merge.alike >= THRESHOLD for merge in history)
    if count is None:
        allowed = _without_distinct(means, sums, history[:done])
    else:
        allowed = history[: _merges_for(history, sums, done, count)]
    clusters = labels_after(len(means), allowed)
    return _without_small(means, sums, clusters, count)[labels]


def _without_distinct(means: Floats, sums: Floats, done: Sequence[Merge]) -> list[Merge]:
    """The merges but those of two clusters that are known well, and whose mean voices are not alike.

    Short pieces of one voice differ, so a little likeness joins them; the means of many do not differ.
    """
    allowed: list[Merge] = []
    totals, seconds = means * sums[:, None], sums.copy()
    for merge in done:
        pair = [merge.first, merge.second]
        first, second = _directions(totals[pair])
        if seconds[pair].min() >= KNOWN_WELL and float(first @ second) < DISTINCT:
            continue
        totals[merge.first] += totals[merge.second]
        seconds[merge.first] += seconds[merge.second]
        allowed.append(merge)
    return allowed


def _merges_for(history: Sequence[Merge], sums: Floats, usual: int, count: int) -> int:
    """How many merges leave `count` speakers, not counting clusters that are too small; near the usual."""
    fitting = [
        done
        for done in range(len(history) + 1)
        if np.count_nonzero(_is_big(_sums_after(history[:done], sums))) == count
    ]
    exact = max(0, len(history) + 1 - count)
    return min(fitting, key=lambda done: abs(done - usual), default=exact)


def _sums_after(done: Sequence[Merge], sums: Floats) -> npt.NDArray[np.float64]:
    """The seconds of each cluster after merges."""
    return np.asarray(np.bincount(labels_after(len(sums), done), sums), np.float64)


def _is_big(seconds: npt.NDArray[np.floating]) -> Flags:
    return np.asarray(seconds >= min(LEAST_SECONDS, LEAST_SHARE * float(seconds.sum())))


def _without_small(means: Floats, sums: Floats, clusters: Labels, count: int | None) -> Labels:
    """Give the vectors of clusters that are too small to the one that is most like them."""
    centers, seconds = means_of(means, sums, clusters)
    kept = np.flatnonzero(_is_big(seconds))
    if count is not None:
        kept = np.sort(np.argsort(-seconds, kind="stable")[:count])
    nearest = (means @ _directions(centers[kept]).T).argmax(axis=1)
    place = np.full(len(centers), -1)
    place[kept] = np.arange(len(kept))
    return np.where(place[clusters] >= 0, place[clusters], nearest)


def _directions(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
