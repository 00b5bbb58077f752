"""Checks the clustering: it is average linkage, and finds groups whatever their number and order."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.diarization.clustering import (
    AT_ONCE,
    cluster,
    labels_after,
    means_of,
    merges,
    reduce_vectors,
)

Floats = npt.NDArray[np.float32]


def groups(sizes: list[int], seed: int = 1, noise: float = 0.05) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Vectors of length 1 round an axis for each group, shuffled, and their groups."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = np.eye(32)[labels] + noise * rng.normal(size=(len(labels), 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def same(found: npt.NDArray[np.intp], expected: npt.NDArray[np.intp]) -> bool:
    """Whether two labelings make the same groups."""
    return bool(np.array_equal(found[:, None] == found, expected[:, None] == expected))


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.integers(0, 1_000))
@settings(max_examples=40, deadline=None)
def test_it_finds_the_groups(sizes: list[int], seed: int) -> None:
    vectors, labels = groups(sizes, seed)
    assert same(cluster(vectors, np.ones(len(vectors), np.float32), 0.5), labels)


@given(st.integers(2, 20), st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_the_likeness_of_clusters_is_the_mean_of_their_members(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors, weights = rng.normal(size=(count, 4)).astype(np.float32), rng.uniform(0.5, 3, count)
    history = merges(vectors, weights.astype(np.float32))
    for done, merge in enumerate(history):
        before = labels_after(count, history[:done])
        a, b = (np.flatnonzero(before == before[each]) for each in (merge.first, merge.second))
        products = (vectors[a] @ vectors[b].T) * np.outer(weights[a], weights[b])
        expected = products.sum() / (weights[a].sum() * weights[b].sum())
        assert merge.alike == pytest.approx(expected, abs=1e-4)


def test_many_vectors_are_reduced_without_mixing_groups() -> None:
    vectors, labels = groups([900, 700, 500, 3])
    weights = np.ones(len(vectors), np.float32)
    reduced = reduce_vectors(vectors, weights, 0.4, lambda: None)
    assert reduced.max() < AT_ONCE
    means, sums = means_of(vectors, weights, reduced)
    assert same(cluster(means, sums, 0.4)[reduced], labels)
    assert sums.sum() == len(vectors)


def test_vectors_that_are_hardly_alike_are_reduced_as_well() -> None:
    vectors, _ = groups([900, 900], noise=0.3)
    parts: list[int] = []
    reduced = reduce_vectors(vectors, np.ones(len(vectors), np.float32), 0.4, lambda: parts.append(1))
    assert reduced.max() < AT_ONCE
    assert len(parts) >= 3
