"""Messages are let gather where they come fast, and only there."""

from stages.coalescing import MANY, WAIT_S, WINDOW_S, Coalescing


def after(rate: float, seconds: float = 2 * WINDOW_S, gathering: Coalescing | None = None) -> Coalescing:
    """What it does when so many messages a second have come for so long, one at a time."""
    gathering = gathering or Coalescing()
    for k in range(round(rate * seconds)):
        gathering.took(1, 100.0 + k / rate)
    return gathering


def test_few_messages_are_not_kept_waiting() -> None:
    assert after(MANY * 0.8).wait_s == 0.0


def test_many_messages_gather() -> None:
    assert after(MANY * 1.3).wait_s == WAIT_S


def test_the_wait_ends_when_they_become_fewer() -> None:
    gathering = after(MANY * 2)
    gathering.took(0, 200.0)
    assert gathering.wait_s == 0.0
