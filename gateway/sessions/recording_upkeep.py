"""Joins the recordings of gateways that are gone, once nobody can go on with their sessions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from storage.recordings.presence import RecordingTimes


class LeftRecordingsPlace(Protocol):
    """Where recordings are left; `storage.recordings.service` has one."""

    times: RecordingTimes

    def look(self) -> tuple[str, ...]:
        """Show that this gateway lives; which sessions have lost theirs. It blocks."""
        ...

    def finish_lost(self, session_id: str) -> None:
        """Join the recording of a session that nobody goes on with."""
        ...


class RecordingUpkeep:
    """The loop; `may_go_on` says whether a gateway can still go on with a session."""

    def __init__(self, place: LeftRecordingsPlace, may_go_on: Callable[[str], Awaitable[bool]]) -> None:
        self._place, self._may_go_on = place, may_go_on

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            for session_id in await asyncio.to_thread(self._place.look):
                if not await self._may_go_on(session_id):
                    self._place.finish_lost(session_id)
            await asyncio.sleep(self._place.times.beat)
