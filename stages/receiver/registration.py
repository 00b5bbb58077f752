"""The worker's state in, its entry in the registry out; and back what the registry asks of the worker."""

import asyncio
import time
from contextlib import suppress
from typing import Final, NoReturn, Protocol

import structlog

from broker.errors import RegistryUnavailable
from broker.records import WorkerRecord
from broker.registry import HeartbeatReply, Registry
from dalston_realtime.protocol.close_codes import CloseCode

log = structlog.stdlib.get_logger(__name__)

BEAT_S: Final = 1.0


class RegisteredWorker(Protocol):
    """The worker, as far as this is concerned."""

    worker_id: str
    died: asyncio.Event
    idle: asyncio.Event

    def missing(self) -> list[str]:
        """The stage processes that are not there."""
        ...

    def record(self, draining: bool) -> WorkerRecord:
        """What it says of itself."""
        ...

    def close_all(self, code: CloseCode, why: str) -> None:
        """End all sessions."""
        ...


class Registration:
    """Registers a worker as soon as it is whole, and says every second that it still is."""

    def __init__(self, worker: RegisteredWorker, registry: Registry) -> None:
        self._worker, self._registry = worker, registry
        self._draining = False
        self._registered = False
        self._told = ""
        self._sessions_until: float | None = None

    async def run(self) -> NoReturn:
        """Work until cancelled."""
        while True:
            self._worker.died.clear()
            missing = ", ".join(self._worker.missing())
            if missing and missing != self._told:
                log.info("waiting for %s", missing)
            self._told = missing
            await (self._report_lost(missing) if missing else self.beat())
            await self._pause()

    async def beat(self) -> None:
        """Say once that the worker is there; Redis may be away."""
        record = self._worker.record(self._draining)
        try:
            answer = await self._registry.heartbeat(record)
        except RegistryUnavailable:
            return  # logged there; the next beat tries again
        if not self._registered:
            self._registered = True
            log.info("worker %s is registered with %d places", record.worker_id, record.capacity)
        self._obey(answer)

    async def leave(self, seconds: float) -> None:
        """Take nothing new, and wait up to `seconds` for the sessions to end by themselves."""
        self._draining = True
        if self._worker.idle.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.beat()
                await self._worker.idle.wait()

    async def _report_lost(self, missing: str) -> None:
        """A session without one of its stages waits for ever: another worker shall have it."""
        if not self._registered:
            return
        self._worker.close_all(CloseCode.INTERNAL, f"the worker has lost {missing}")
        with suppress(RegistryUnavailable):
            await self._registry.offline(self._worker.worker_id)
            self._registered = False

    def _obey(self, answer: HeartbeatReply) -> None:
        now = time.monotonic()
        if answer.drain is None:
            self._sessions_until = None
        elif self._sessions_until is None:
            self._sessions_until = now + answer.drain
            log.info("draining: nothing new, and %g s for the sessions to end", answer.drain)
        elif now >= self._sessions_until:
            self._worker.close_all(CloseCode.RESTARTING, "the worker is going away")

    async def _pause(self) -> None:
        """Until the next beat is due, or a stage process dies."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT_S if self._registered else BEAT_S / 5):
                await self._worker.died.wait()
