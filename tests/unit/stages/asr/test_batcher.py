"""What goes into the next forward pass: the most urgent kind, the oldest first, at most so many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.asr.batcher import Batch, Work, WorkKind, next_batch

works = st.lists(
    st.builds(
        Work, st.text("abc", min_size=1), st.sampled_from(WorkKind), st.integers(0, 20), yields=st.booleans()
    ),
    max_size=20,
)


def test_nothing_waits() -> None:
    assert next_batch([], 4) is None


@pytest.mark.parametrize(
    ("waiting", "batch"),
    [
        (
            [Work("a", WorkKind.PARTIAL, 1)],
            Batch(("a",), WorkKind.PARTIAL, "drained"),
        ),
        (
            [
                Work("a", WorkKind.PARTIAL, 1),
                Work("b", WorkKind.SPECULATIVE, 2),
                Work("c", WorkKind.FINAL, 3),
            ],
            Batch(("c",), WorkKind.FINAL, "drained"),
        ),
        (
            [Work("a", WorkKind.PARTIAL, 1), Work("b", WorkKind.SPECULATIVE, 2)],
            Batch(("b",), WorkKind.SPECULATIVE, "drained"),
        ),
        (
            [
                Work("a", WorkKind.PARTIAL, 1, yields=True),
                Work("b", WorkKind.PARTIAL, 2),
                Work("c", WorkKind.PARTIAL, 3),
            ],
            Batch(("b", "c"), WorkKind.PARTIAL, "full"),
        ),
        (
            [Work("a", WorkKind.FINAL, 1, yields=True), Work("b", WorkKind.PARTIAL, 0)],
            Batch(("a",), WorkKind.FINAL, "drained"),
        ),
        (
            [Work("a", WorkKind.STEP, 1, alone=True), Work("b", WorkKind.STEP, 2)],
            Batch(("a",), WorkKind.STEP, "drained"),
        ),
        (
            [
                Work("a", WorkKind.STEP, 1),
                Work("b", WorkKind.STEP, 2, alone=True),
                Work("c", WorkKind.STEP, 3),
            ],
            Batch(("a", "c"), WorkKind.STEP, "full"),
        ),
        (
            [Work("b", WorkKind.FINAL, 2), Work("a", WorkKind.FINAL, 1)],
            Batch(("a", "b"), WorkKind.FINAL, "full"),
        ),
        (
            [Work("c", WorkKind.FINAL, 3), Work("b", WorkKind.FINAL, 2), Work("a", WorkKind.FINAL, 1)],
            Batch(("a", "b"), WorkKind.FINAL, "full"),
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
        batch = next_batch([Work(s, WorkKind.PARTIAL, since[s]) for s in since], max_batch)
        assert batch is not None
        for session in batch.items:
            served[session], since[session] = now, now + eagerness[session] % 2
        waited = max(now - last for last in served.values())
        assert waited <= 2 * (8 // max_batch + 1)
