"""Runs asyncio code on a clock that jumps to the next timer as soon as nothing else is ready.

A test of time limits with it takes no time and has the same outcome on a machine that is busy.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

TURN_S: Final = 1e-6  # Seconds that a turn of the loop takes, as no loop is infinitely fast.
STUCK_S: Final = 60.0  # Real seconds to wait for a thread or a process where no timer is set.


class VirtualClock:
    """Seconds that pass only where an event loop has nothing to do."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def nanoseconds(self) -> int:
        """The time as the stages count it."""
        return round(self.now_s * 1e9)


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at what is ready; where that is nothing, moves the clock instead of waiting."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.now_s += TURN_S
        if timeout is None:
            if not (ready := super().select(STUCK_S)):
                raise AssertionError("the test waits for something that never comes")
            return ready
        ready = super().select(0)
        if not ready:
            self._clock.now_s += max(0.0, timeout)
        return ready


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._virtual.now_s


def run_virtually(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end; it gets the clock."""
    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: _VirtualTimeLoop(clock)) as runner:
        return runner.run(main(clock))


async def pass_time(seconds: float) -> None:
    """Let so many virtual seconds pass."""
    await asyncio.sleep(seconds)
