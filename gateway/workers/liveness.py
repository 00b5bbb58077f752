"""Whether the two ends of a session are there: its worker, as the session hears it, and its client."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.sessions.outcome import SessionOutcome
from gateway.workers.connection import WorkerConnection
from runtime.errors import SessionError
from runtime.worker_link import AWAY, BACK

KEEPALIVE_S: Final = 10.0  # while the client is away
KEEPALIVE: Final = '{"type":"keepalive"}'
PRESENCE: Final = {True: f'{{"type":"{AWAY}"}}', False: f'{{"type":"{BACK}"}}'}
# A worker that gets audio says something every 0.5 s at the latest, however busy its stages are. One
# that is looked at after LOOK_S and then says nothing for HUNG_S hangs, or its host is cut off.
LOOK_S: Final = 0.5
HUNG_S: Final = 1.75
AGAIN_S: Final = 0.05  # a gateway that was held up itself reads first


class Liveness:
    """Outlives the workers of a session. Each watcher returns None when the worker of now is lost."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()  # something of the worker of now
        self._spoken = asyncio.Event()  # audio came
        self._attendance = asyncio.Event()  # the client came or went

    def another(self) -> None:
        """Another worker is next."""
        self._heard.clear()

    def hear(self) -> None:
        """The worker said something."""
        self._heard.set()

    def speak(self) -> None:
        """Audio came, which the worker gets."""
        self._spoken.set()

    def attend(self) -> None:
        """The client came or went."""
        self._attendance.set()

    async def silent(self, seconds: float) -> SessionOutcome | None:
        """A worker whose stages are dying takes a session and never begins it."""
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            return None
        await asyncio.Event().wait()
        return None

    async def hung(self) -> SessionOutcome | None:
        """A worker that gets audio and says nothing; its heartbeats say so later, or never."""
        await self._heard.wait()
        while True:
            await asyncio.sleep(LOOK_S)
            self._spoken.clear()
            self._heard.clear()
            await self._spoken.wait()
            try:
                async with asyncio.timeout(HUNG_S):
                    await self._heard.wait()
            except TimeoutError:
                await asyncio.sleep(AGAIN_S)
                if not self._heard.is_set():
                    return None

    async def client(self, link: WorkerConnection, is_away: Callable[[], bool]) -> SessionOutcome | None:
        """A client that is away ends nothing that it says, and the worker does not count the time."""
        told = False
        with suppress(SessionError):
            while True:
                self._attendance.clear()
                away = is_away()
                if away or told:
                    await link.send(PRESENCE[away] if away != told else KEEPALIVE)
                told = away
                with suppress(TimeoutError):
                    async with asyncio.timeout(KEEPALIVE_S if away else None):
                        await self._attendance.wait()
        return None
