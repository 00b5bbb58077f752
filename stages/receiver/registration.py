"""Keeps the worker's entry in the registry, and does what the registry asks of the worker."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from broker.errors import RegistryUnavailable, WorkerIdTaken
from broker.records import WorkerRecord
from broker.registry import HeartbeatReply, Registry
from dalston_realtime.protocol.close_codes import CloseCode
from runtime.errors import StartupError
from runtime.logs import get_logger

log = get_logger(__name__)

CPU: Final = "cpu"  # What an ASR process without a GPU names as its device.
TAKEN_S: Final = 5.0  # Seconds in which a worker that is gone leaves its id to another one, and some more.
CLOCK_S: Final = 5.0  # Seconds by which two clocks may differ: more than a call to Redis takes.


@dataclass(frozen=True, slots=True)
class HeartbeatIntervals:
    """Seconds between two heartbeats, and between two tries of a worker that is not registered yet."""

    registered: float = 1.0
    unregistered: float = 0.2


class RegisteredWorker(Protocol):
    """The worker, as far as its entry in the registry is concerned."""

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

    def __init__(
        self,
        worker: RegisteredWorker,
        registry: Registry,
        intervals: HeartbeatIntervals | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._worker, self._registry, self._clock, self._wall_clock = worker, registry, clock, wall_clock
        self._intervals = intervals or HeartbeatIntervals()
        self._draining = False
        self._registered = False
        self._logged_missing = ""
        self._sessions_until: float | None = None
        self._taken_since: float | None = None
        self._has_registered = False
        self._said: set[str] = set()  # What was warned of once.

    async def run(self) -> NoReturn:
        """Keep the entry up to date until cancelled."""
        while True:
            self._worker.died.clear()
            missing = ", ".join(self._worker.missing())
            if missing and missing != self._logged_missing:
                log.info("waiting for stage processes", missing=missing)
            self._logged_missing = missing
            await (self._report_lost(missing) if missing else self.send_heartbeat())
            await self._wait_for_next()

    async def send_heartbeat(self) -> None:
        """Say once that the worker is there; Redis may be away.

        Raises:
            StartupError: another worker has the id, and has had it for too long to be about to end.
        """
        record = self._worker.record(self._draining)
        try:
            reply = await self._registry.heartbeat(record)
        except RegistryUnavailable:
            return  # logged there; the next heartbeat tries again
        except WorkerIdTaken as error:
            self._handle_taken(str(error))
            return
        self._taken_since = None
        if not self._registered:
            self._registered = self._has_registered = True
            log.info("registered", worker=record.worker_id, slots=record.capacity)
        self._warn(record, reply)
        self._handle_reply(reply)

    async def drain(self, seconds: float) -> None:
        """Take nothing new, and wait up to `seconds` for the sessions to end by themselves."""
        self._draining = True
        if self._worker.idle.is_set():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.send_heartbeat()
                await self._worker.idle.wait()

    async def _report_lost(self, missing: str) -> None:
        """A session without one of its stages waits for ever: another worker shall have it."""
        if not self._registered:
            return
        self._worker.close_all(CloseCode.INTERNAL, f"the worker has lost {missing}")
        with suppress(RegistryUnavailable):
            await self._registry.offline(self._worker.worker_id)
            self._registered = False

    def _handle_taken(self, why: str) -> None:
        """Wait a little for the id; a worker that has served sessions goes on with them."""
        self._warn_once("not registered", why=why)
        self._registered = False
        if self._taken_since is None:
            self._taken_since = self._clock()
        if not self._has_registered and self._clock() - self._taken_since >= TAKEN_S:
            raise StartupError(why)

    def _warn(self, record: WorkerRecord, reply: HeartbeatReply) -> None:
        """Say what is wrong with a host or its settings, though the worker can serve."""
        for device, count in Counter(record.devices).items():
            if device != CPU and count > 1:
                self._warn_once("several ASR processes use one GPU and its memory", device=device, asr=count)
        for worker, device in reply.shared:
            self._warn_once(
                "another worker uses the same GPU: see DALSTON_DEVICES", worker=worker, device=device
            )
        ahead = 0.0 if reply.time is None else self._wall_clock() - reply.time
        if abs(ahead) > CLOCK_S:
            self._warn_once(
                "the clocks of this host and of Redis differ: that of Redis counts", ahead_s=round(ahead)
            )

    def _warn_once(self, event: str, **fields: str | float) -> None:
        if event not in self._said:
            self._said.add(event)
            log.warning(event, **fields)

    def _handle_reply(self, reply: HeartbeatReply) -> None:
        now = self._clock()
        if reply.drain is None:
            self._sessions_until = None
        elif self._sessions_until is None:
            self._sessions_until = now + reply.drain
            log.info("draining: no new sessions", seconds_for_sessions=reply.drain)
        elif now >= self._sessions_until and not reply.has_room:
            log.info("draining waits: the other workers have no room for its sessions")
        elif now >= self._sessions_until:
            self._worker.close_all(CloseCode.RESTARTING, "the worker is going away")

    async def _wait_for_next(self) -> None:
        """Wait until the next heartbeat is due, or a stage process dies."""
        seconds = self._intervals.registered if self._registered else self._intervals.unregistered
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._worker.died.wait()
