"""Holds the slots of this gateway's sessions, by leases that it renews for as long as it lives."""

import asyncio
from dataclasses import dataclass
from typing import Final

from broker.errors import RegistryUnavailable
from broker.records import Allocation, HeldSlot, SlotRequest, utc_now
from broker.router import SessionRouter
from runtime.logs import get_logger

log = get_logger(__name__)

RENEW_S: Final = 2.5  # Seconds between two renewals: three fit into a lease of 8 s.


@dataclass(frozen=True, slots=True)
class _Held:
    wanted: SlotRequest
    slot: Allocation
    started_at: str
    started: float


class Leases:
    """Renews the leases of all sessions in one call, and writes again what Redis has forgotten."""

    def __init__(self, router: SessionRouter) -> None:
        self._router = router
        self._held: dict[str, _Held] = {}
        # Sessions whose worker is lost: what they held is not theirs any more.
        self._paused: set[str] = set()

    def hold(self, session_id: str, wanted: SlotRequest, slot: Allocation) -> None:
        """Renew the session's lease from now on."""
        before = self._held.get(session_id)
        started_at = before.started_at if before else utc_now()
        started = before.started if before else asyncio.get_running_loop().time()
        self._held[session_id] = _Held(wanted, slot, started_at, started)
        self._paused.discard(session_id)

    def holds(self, session_id: str) -> bool:
        """Whether the session has had a slot of this gateway, and has not ended."""
        return session_id in self._held

    def pause(self, session_id: str) -> None:
        """Renew it no more until the session holds another slot; it is as old then as it is now."""
        if session_id in self._held:
            self._paused.add(session_id)

    def drop(self, session_id: str) -> None:
        """Renew it no more."""
        self._held.pop(session_id, None)
        self._paused.discard(session_id)

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                await self.renew()
            except RegistryUnavailable as error:
                log.debug("leases: %s", error)

    async def renew(self) -> None:
        """Renew all leases once.

        Raises:
            RegistryUnavailable: Redis did not answer.
        """
        renewed = self._held.keys() - self._paused
        if not renewed:
            return
        unknown = await self._router.renew(sorted(renewed))
        forgotten = [self._record(name) for name in unknown & (self._held.keys() - self._paused)]
        if forgotten:
            log.info("slots are written to Redis again", slots=len(forgotten))
            await self._router.restore(forgotten)

    def _record(self, session_id: str) -> HeldSlot:
        known = self._held[session_id]
        age = asyncio.get_running_loop().time() - known.started
        return HeldSlot(session_id, known.wanted, known.slot, known.started_at, age)
