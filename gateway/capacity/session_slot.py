"""Holds the slot of one session, which is released once, or left to another gateway."""

import asyncio

from broker.records import EndStatus
from gateway.capacity.slots import SlotManager


class SessionSlot:
    """The slot that a session may have."""

    def __init__(self, slots: SlotManager, session_id: str) -> None:
        self._slots, self._id = slots, session_id
        self._released: asyncio.Future[None] | None = None

    @property
    def is_released(self) -> bool:
        """Whether it is, or is about to be."""
        return self._released is not None

    def release(self, status: EndStatus, audio_seconds: float) -> None:
        """Have it released soon, unless it is already."""
        if self._released is None:
            self._released = self._slots.release(self._id, status, audio_seconds)

    async def wait_released(self, seconds: float) -> None:
        """Wait until Redis has it back, at most so long."""
        if self._released is not None:
            await asyncio.wait([self._released], timeout=seconds)

    def hand_over(self, seconds: float) -> None:
        """Leave it to another gateway, for so many seconds from now."""
        self._slots.hand_over(self._id, seconds)
