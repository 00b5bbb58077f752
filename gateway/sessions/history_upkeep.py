"""Finishes what gateways that are gone left in the history, and deletes what was kept long enough."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from runtime.logs import get_logger
from storage.database import DatabaseUnavailable
from storage.history.upkeep.record_sweeper import RecordSweeper
from storage.history.upkeep.retention import SessionRemover

log = get_logger(__name__)

SWEEP_S: Final = 5.0  # Seconds between two looks for records without a gateway.
PURGE_S: Final = 3_600.0  # Seconds between two looks for sessions that were kept long enough.


class HistoryUpkeep:
    """The two loops; `rescue` keeps what Redis still has of a session whose gateway is silent."""

    def __init__(
        self,
        sweeper: RecordSweeper,
        remover: SessionRemover,
        retention_days: float | None,
        rescue: Callable[[str], Awaitable[None]],
        sweep_s: float = SWEEP_S,
    ) -> None:
        """`sweep_s` are the seconds between two looks for records without a gateway."""
        self._sweeper, self._remover = sweeper, remover
        self._retention_days, self._rescue, self._sweep_s = retention_days, rescue, sweep_s

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        await asyncio.gather(self._sweep(), self._purge())

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_s)
            try:
                swept = await asyncio.to_thread(self._sweeper.sweep)
            except DatabaseUnavailable as error:
                log.debug("no look at the history: %s", error)
                continue
            for session_id in swept.silent:
                await self._rescue(session_id)
            for session_id in swept.lost:
                log.warning("a session's gateway is gone", session=session_id)

    async def _purge(self) -> None:
        while True:
            try:
                deleted = await asyncio.to_thread(self._remover.purge, self._retention_days)
                if deleted:
                    log.info("deleted sessions that were kept long enough", sessions=deleted)
            except DatabaseUnavailable as error:
                log.debug("no purge of the history: %s", error)
            await asyncio.sleep(PURGE_S)
