"""One session, over all of its client's connections and all of its workers."""

import asyncio
import time
from typing import Final

import structlog

from broker.errors import NoCapacity, RegistryUnavailable
from dalston_realtime.protocol.close_codes import CloseCode
from gateway.concurrency import first_of
from gateway.context import Gateway
from gateway.realtime.connection import ClientConnection
from gateway.sessions.failover import Failover
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.state import SessionState
from gateway.workers.connection import WorkerUnreachable
from runtime.errors import SessionError

log = structlog.stdlib.get_logger(__name__)

HANDED_OVER_S: Final = 8.0  # the other gateway renews the place's lease by then
GIVE_BACK_S: Final = 0.1  # for Redis to take a place back; one that is slower does not hold up the end


class Session:
    """Lives from its admission to its end, with a client connected or not."""

    def __init__(self, gateway: Gateway, state: SessionState, *, resumed: bool = False) -> None:
        """`resumed` is whether another gateway began it."""
        self.id, self.ledger = state.id, state.ledger
        self.log, self.outbox = state.log, state.outbox
        self.ending: SessionOutcome | None = None
        self.turn = asyncio.Lock()  # of clients that come back
        self._gateway, self._state = gateway, state
        self._workers = Failover(gateway, state, self, resumed=resumed)
        self._connection: ClientConnection | None = None
        self._kept = self._elsewhere = False
        self._given_back: asyncio.Future[None] | None = None  # done when the place is free
        self._over: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()

    @property
    def connection(self) -> ClientConnection | None:
        """The client's connection, None while it is away."""
        return self._connection

    @connection.setter
    def connection(self, connection: ClientConnection | None) -> None:
        self._connection = connection
        self._workers.attend()

    @property
    def is_away(self) -> bool:
        """Whether its client is."""
        return self._connection is None

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        return self._workers.latency

    async def ended(self) -> SessionOutcome:
        """How the session ended, once it has."""
        await self._ended.wait()
        assert self.ending is not None
        return self.ending

    async def hear(self, frame: bytes | str) -> None:
        """Take a client's frame; waits while too much is on its way to the worker."""
        await self._workers.hear(frame)

    async def commit(self) -> None:
        """See to it that what is about to be sent is known to other gateways.

        Who hears of the end may begin another session at once: the place is free by then.
        """
        if self._given_back is not None:
            await asyncio.wait([self._given_back], timeout=GIVE_BACK_S)
        elif self._kept and self.ending is None:
            await self._gateway.vault.commit(self.id)

    def fail(self, error: SessionError) -> None:
        """End by a fault of the client."""
        self.finish(SessionOutcome.error(error.code, error.message))

    def finish(self, ending: SessionOutcome) -> None:
        """End, for a reason that is no worker's."""
        if not self._over.done():
            self._over.set_result(ending)

    def taken_over(self) -> None:
        """Another gateway has the session: this one has nothing more to say about it."""
        self._kept, self._elsewhere = False, True
        self.finish(SessionOutcome.error(CloseCode.RESTARTING, "the session goes on at another gateway"))

    def begun(self) -> None:
        """A worker has it: its client learns its id, with which it may come back."""
        if not self._kept and self._gateway.settings.resume_window:
            self.keep()

    def complete(self) -> None:
        """Its worker has said all: its place is free."""
        self._given_back = self._gateway.places.give_back(self.id, "ended", self.log.seconds)

    @property
    def kept(self) -> bool:
        """Whether a client that lost its connection may come back."""
        return self._kept

    def keep(self) -> None:
        """From now on the session can be gone on with."""
        self._kept = True
        self._gateway.vault.watch(self)

    def clear(self) -> None:
        """It is over: nothing but its last events is of use."""
        self._state.clear()

    def prepare(self) -> None:
        """Write the rest of what another gateway needs into the ledger."""
        self._state.prepare()

    async def run(self) -> None:
        """Live; the end is told to the client, the registry, the log and the metrics."""
        ending = SessionOutcome.error(CloseCode.INTERNAL, "cut off")
        try:
            ending = await self._until_end()
        finally:
            self.ending = ending
            await self._leave_place(ending)
            self._ended.set()
        self._report(ending)

    async def _leave_place(self, ending: SessionOutcome) -> None:
        gateway = self._gateway
        if ending.code is CloseCode.RESTARTING and self._kept:
            if self.connection is not None:
                await self.connection.part(ending)
            self.outbox.flush(time.monotonic())
            await gateway.vault.hand_over(self)
            gateway.places.hand_over(self.id, gateway.settings.resume_window)
            return
        self.outbox.end(ending.event)
        if self._elsewhere:
            gateway.places.hand_over(self.id, HANDED_OVER_S)
        elif self._given_back is None:
            self._given_back = gateway.places.give_back(self.id, ending.status, self.log.seconds)

    async def _until_end(self) -> SessionOutcome:
        try:
            return await first_of(self._workers.run(), self._finished(), self._restart())
        except SessionError as error:
            return SessionOutcome.error(error.code, error.message)
        except NoCapacity as refusal:
            return _refused(refusal.message, refusal.retry_after)
        except (RegistryUnavailable, WorkerUnreachable) as error:
            log.warning("session=%s no place: %s", self.id, error)
            return _refused("no worker can be reached", self._gateway.settings.retry_after)
        except Exception:
            log.exception("session=%s failed", self.id)
            return SessionOutcome.error(CloseCode.INTERNAL, "a fault of the server")

    async def _finished(self) -> SessionOutcome:
        return await self._over

    async def _restart(self) -> SessionOutcome:
        await self._gateway.stopping.wait()
        return SessionOutcome.error(CloseCode.RESTARTING, "the gateway is going away")

    def _report(self, ending: SessionOutcome) -> None:
        metrics = self._gateway.metrics
        metrics.sessions.labels(ending.name).inc()
        metrics.audio.inc(self.log.seconds)
        metrics.dropped_partials.inc(self.outbox.dropped_partials)
        log.info(
            "end session=%s worker=%s audio=%.1fs close=%s reason=%s dropped_partials=%d",
            self.id,
            self._workers.worker_id,
            self.log.seconds,
            "none" if ending.code is None else int(ending.code),
            ending.name,
            self.outbox.dropped_partials,
        )


def _refused(message: str, retry_after: float) -> SessionOutcome:
    return SessionOutcome.error(CloseCode.NO_CAPACITY, message, retry_after=retry_after)
