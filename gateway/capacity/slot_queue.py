"""Keeps the positions of this gateway's waiting sessions, and wakes those that would get a slot."""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from broker.errors import RegistryUnavailable
from broker.records import QueuePosition
from broker.router import SessionRouter

OnQueued = Callable[[int, float | None], None]
OnUnserved = Callable[[], None]


class WaitingSession:
    """One session that waits for a slot."""

    def __init__(self, on_queued: OnQueued | None, on_unserved: OnUnserved | None, change: float) -> None:
        """`change` is by how many seconds the expected wait must differ to be told."""
        self.on_unserved = on_unserved or (lambda: None)
        self._on_queued, self._change = on_queued or (lambda *_: None), change
        self._told = QueuePosition(0, None)
        self._woken = asyncio.Event()

    def tell(self, queued: QueuePosition) -> None:
        """The session has this position now."""
        if not queued.is_served:
            self.on_unserved()
        if _differs(queued, self._told, self._change):
            self._on_queued(queued.position, queued.expected_wait)
            self._told = queued

    def wake(self) -> None:
        """Have the session ask for a slot."""
        self._woken.set()

    async def until_woken(self, seconds: float) -> bool:
        """Wait until the session should ask for a slot, at most `seconds`; whether it should."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken


class SlotQueue:
    """All sessions of one gateway that wait for a slot.

    The registry announces for which sessions a slot came free. Every `ask` seconds one call says for all that
    they still wait, and finds those whose announcement was lost, or that come next because another gateway
    died before its session took its slot.
    """

    def __init__(self, router: SessionRouter, ask: float) -> None:
        self._router, self._ask = router, ask
        self._waiting: dict[str, WaitingSession] = {}
        self._look = asyncio.Event()

    @contextmanager
    def joined(self, session_id: str, waiting: WaitingSession) -> Iterator[None]:
        """The session may have to wait: it is woken for the duration of a block."""
        self._waiting[session_id] = waiting
        try:
            yield
        finally:
            if self._waiting.get(session_id) is waiting:
                del self._waiting[session_id]

    def on_slots_changed(self, session_ids: Collection[str] = ()) -> None:
        """Slots are free for these sessions; for whom is not known where none is named."""
        if not session_ids:
            self._look.set()
        for session_id in session_ids:
            if waiting := self._waiting.get(session_id):
                waiting.wake()

    async def run(self) -> None:
        """Keep the positions until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._ask):
                    await self._look.wait()
            self._look.clear()
            if self._waiting:
                await self.renew()

    async def renew(self) -> None:
        """Say once that all of them wait, tell them where they are, and wake those that should ask."""
        waiting = dict(self._waiting)
        try:
            positions = await self._router.keep_waiting(waiting)
        except RegistryUnavailable:  # The positions are kept for a while.
            for each in waiting.values():
                each.on_unserved()
            return
        for session_id, each in waiting.items():
            if self._waiting.get(session_id) is each:
                _inform(each, positions.get(session_id))


def _inform(waiting: WaitingSession, position: QueuePosition | None) -> None:
    """A session without a position has a slot by now, or lost the position and asks for another one."""
    if position is not None:
        waiting.tell(position)
    if position is None or position.has_slot:
        waiting.wake()


def _differs(queued: QueuePosition, shown: QueuePosition, change: float) -> bool:
    """Whether a client that was told `shown` wants to know of `queued`."""
    now, before = queued.expected_wait, shown.expected_wait
    if queued.position != shown.position or (now is None) != (before is None):
        return True
    return now is not None and before is not None and abs(now - before) >= change
