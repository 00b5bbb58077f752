"""What goes into the next forward pass: the most urgent kind, the oldest first, at most so many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.asr.batcher import Batch, Kind, Work, next_batch

works = st.lists(
    st.builds(
        Work, st.text("abc", min_size=1), st.sampled_from(Kind), st.integers(0, 20), yields=st.booleans()
    ),
    max_size=20,
)


def test_nothing_waits() -> None:
    assert next_batch([], 4) is None


@pytest.mark.parametrize(
    ("waiting", "batch"),
    [
        (
            [Work("a", Kind.PARTIAL, 1)],
            Batch(("a",), Kind.PARTIAL, "drained"),
        ),
        (
            [Work("a", Kind.PARTIAL, 1), Work("b", Kind.AHEAD, 2), Work("c", Kind.FINAL, 3)],
            Batch(("c",), Kind.FINAL, "drained"),
        ),
        (
            [Work("a", Kind.PARTIAL, 1), Work("b", Kind.AHEAD, 2)],
            Batch(("b",), Kind.AHEAD, "drained"),
        ),
        (
            [Work("a", Kind.PARTIAL, 1, yields=True), Work("b", Kind.PARTIAL, 2), Work("c", Kind.PARTIAL, 3)],
            Batch(("b", "c"), Kind.PARTIAL, "full"),
        ),
        (
            [Work("a", Kind.FINAL, 1, yields=True), Work("b", Kind.PARTIAL, 0)],
            Batch(("a",), Kind.FINAL, "drained"),
        ),
        (
            [Work("b", Kind.FINAL, 2), Work("a", Kind.FINAL, 1)],
            Batch(("a", "b"), Kind.FINAL, "full"),
        ),
        (
            [Work("c", Kind.FINAL, 3), Work("b", Kind.FINAL, 2), Work("a", Kind.FINAL, 1)],
            Batch(("a", "b"), Kind.FINAL, "full"),
        ),
    ],
)
def test_batches_of_two(waiting: list[Work[str]], batch: Batch[str]) -> None:
    assert next_batch(waiting, 2) == batch


@given(works, st.integers(1, 6))
def test_what_holds_for_all_that_waits(waiting: list[Work[str]], max_batch: int) -> None:
    batch = next_batch(waiting, max_batch)
    if batch is None:
        assert waiting == []
        return
    assert batch.kind == min(work.kind for work in waiting)
    same = sorted((w for w in waiting if w.kind is batch.kind), key=lambda w: (w.yields, w.since))
    assert batch.items == tuple(w.item for w in same[:max_batch])
    assert batch.reason == ("full" if len(same) >= max_batch else "drained")


@given(st.lists(st.integers(1, 3), min_size=8, max_size=8), st.integers(1, 4))
def test_no_session_starves(eagerness: list[int], max_batch: int) -> None:
    """All sessions ask again as soon as they were served, some for more urgent work than others."""
    since, served = dict.fromkeys(range(8), 0), dict.fromkeys(range(8), 0)
    for now in range(1, 1 + 8 * len(eagerness)):
        batch = next_batch([Work(s, Kind.PARTIAL, since[s]) for s in since], max_batch)
        assert batch is not None
        for session in batch.items:
            served[session], since[session] = now, now + eagerness[session] % 2
        waited = max(now - last for last in served.values())
        assert waited <= 2 * (8 // max_batch + 1)
