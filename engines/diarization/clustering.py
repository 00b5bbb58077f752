"""Finds which vectors belong together: agglomerative clustering with average linkage.

The likeness of two clusters is the mean of the products of their vectors, which is the product of their
means: so a cluster is one vector and a weight, and clusters of clusters cost no more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from engines.base import Floats

Labels: TypeAlias = npt.NDArray[np.intp]
OnPart: TypeAlias = Callable[[], None]
"""A function that is called every second or so of the work. It may raise, and so end it."""

AT_ONCE: Final = (
    600  # Vectors that are compared with each other; so memory and time do not grow with squares.
)
SURE: Final = 0.2  # How much more alike than the threshold neighbours in time are that are joined beforehand.
LESS_SURE: Final = 0.1  # By which that becomes less where it joins fewer than a tenth of them.
NEVER: Final = -9.0  # Less alike than any two vectors.


@dataclass(frozen=True, slots=True)
class Merge:
    """Cluster `second` became part of cluster `first`; `alike` is how alike they were."""

    first: int
    second: int
    alike: float


def merges(vectors: Floats, weights: Floats) -> list[Merge]:
    """All merges, the most alike clusters first. A cluster has the number of its first member."""
    means, weights = vectors.astype(np.float64), weights.astype(np.float64)
    alike = means @ means.T
    np.fill_diagonal(alike, NEVER)
    found = []
    for _ in range(len(vectors) - 1):
        first, second = sorted(map(int, np.unravel_index(alike.argmax(), alike.shape)))
        found.append(Merge(first, second, float(alike[first, second])))
        total = weights[first] + weights[second]
        joined = (weights[first] * alike[first] + weights[second] * alike[second]) / total
        joined[[first, second]] = NEVER
        joined[alike[first] == NEVER] = NEVER
        alike[first] = alike[:, first] = joined
        alike[second] = alike[:, second] = NEVER
        weights[first] = total
    return found


def labels_after(count: int, done: Sequence[Merge]) -> Labels:
    """The cluster of each of `count` vectors after merges, numbered from 0 by their first members."""
    owner = np.arange(count)
    for merge in done:
        owner[owner == merge.second] = merge.first
    return np.unique(owner, return_inverse=True)[1]


def cluster(vectors: Floats, weights: Floats, threshold: float) -> Labels:
    """The cluster of each vector, where clusters that are more alike than the threshold are one."""
    history = merges(vectors, weights)
    return labels_after(len(vectors), [merge for merge in history if merge.alike >= threshold])


def reduce_vectors(vectors: Floats, weights: Floats, threshold: float, on_part: OnPart) -> Labels:
    """Join vectors near in time that are surely of one cluster, until there are few enough to compare all.

    Where hardly any are surely so, less sure ones are joined as well: memory and time stay small in any case.
    `on_part` is called before each part of the work.
    """
    labels, sure = np.arange(len(vectors)), threshold + SURE
    while True:
        means, sums = means_of(vectors, weights, labels)
        if len(means) <= AT_ONCE:
            return labels
        joined = np.empty(len(means), np.intp)
        for first in range(0, len(means), AT_ONCE):
            on_part()
            part = slice(first, first + AT_ONCE)
            joined[part] = first + cluster(means[part], sums[part], sure)
        fewer = np.unique(joined, return_inverse=True)[1]
        if fewer.max() + 1 > 0.9 * len(means):
            sure -= LESS_SURE
        labels = fewer[labels]


def means_of(vectors: Floats, weights: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """The weighted mean of the vectors of each cluster, and the sum of their weights."""
    sums = np.bincount(labels, weights)
    means = np.zeros((len(sums), vectors.shape[1]))
    np.add.at(means, labels, weights[:, None] * vectors)
    return (means / sums[:, None]).astype(np.float32), sums.astype(np.float32)
