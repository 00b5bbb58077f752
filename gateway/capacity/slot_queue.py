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
    """One session that waits for a slot. What it is told is handled by its own task, in `until_due`."""

    def __init__(self, on_queued: OnQueued | None, on_unserved: OnUnserved | None, change: float) -> None:
        """`change` is by how many seconds the expected wait must differ to be told."""
        self.on_unserved = on_unserved or (lambda: None)
        self._on_queued, self._change = on_queued or (lambda *_: None), change
        self._told = QueuePosition(0, None)
        self._position: QueuePosition | None = None  # Where it is since the last look at the queue.
        self._is_cut_off = self._is_due = False
        self._news = asyncio.Event()

    def tell(self, queued: QueuePosition) -> None:
        """Say that the session has this position now."""
        if not queued.is_served:
            self.on_unserved()
        if _differs(queued, self._told, self._change):
            self._on_queued(queued.position, queued.expected_wait)
            self._told = queued

    def move(self, position: QueuePosition | None) -> None:
        """The session has this position; None: it has a slot by now, or lost its position and asks again."""
        self._position = position
        self._is_due |= position is None or position.has_slot
        self._news.set()

    def wake(self) -> None:
        """Have the session ask for a slot."""
        self._is_due = True
        self._news.set()

    def cut_off(self) -> None:
        """Nobody can say where the session is; its position is kept for a while."""
        self._is_cut_off = True
        self._news.set()

    async def until_due(self, until: float) -> bool:
        """Wait until the session should ask for a slot, and say meanwhile where it is.

        Returns false where that does not come before `until`, a time of the loop's clock.
        """
        while not self._is_due:
            try:
                async with asyncio.timeout_at(until):
                    await self._news.wait()
            except TimeoutError:
                return False
            self._news.clear()
            self._handle_news()
        self._is_due = False
        return True

    def _handle_news(self) -> None:
        position, self._position = self._position, None
        cut_off, self._is_cut_off = self._is_cut_off, False
        if cut_off:
            self.on_unserved()
        if position is not None:
            self.tell(position)


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
        except RegistryUnavailable:
            for each in waiting.values():
                each.cut_off()
            return
        for session_id, each in waiting.items():
            each.move(positions.get(session_id))


def _differs(queued: QueuePosition, shown: QueuePosition, change: float) -> bool:
    """Whether a client that was told `shown` wants to know of `queued`."""
    now, before = queued.expected_wait, shown.expected_wait
    if queued.position != shown.position or (now is None) != (before is None):
        return True
    return now is not None and before is not None and abs(now - before) >= change
