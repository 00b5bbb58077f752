"""Checks that messages are coalesced where they come fast, and only there."""

from stages.coalescing import COUNTED_S, MANY, WAIT_S, Coalescing


def after(rate: float, seconds: float = 2 * COUNTED_S, coalescing: Coalescing | None = None) -> Coalescing:
    """What it does when so many messages a second have come for so long, one at a time."""
    coalescing = coalescing or Coalescing()
    for k in range(round(rate * seconds)):
        coalescing.count_messages(1, 100.0 + k / rate)
    return coalescing


def test_few_messages_are_not_kept_waiting() -> None:
    assert after(MANY * 0.8).wait_s == 0.0


def test_many_messages_are_coalesced() -> None:
    assert after(MANY * 1.3).wait_s == WAIT_S


def test_the_wait_ends_when_they_become_fewer() -> None:
    coalescing = after(MANY * 2)
    coalescing.count_messages(0, 200.0)
    assert coalescing.wait_s == 0.0
