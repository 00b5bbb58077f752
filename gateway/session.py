"""One accepted client: a place, a connection to its worker, the proxy, and a close with a reason."""

import asyncio
import logging
import time
import uuid
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation
from gateway.admission import Wish
from gateway.context import Gateway
from gateway.ending import Ending
from gateway.link import WorkerLink, WorkerUnreachable
from gateway.outbox import Outbox
from gateway.proxy import Proxy, Writer, raising_disconnect
from gateway.tasks import first_of
from stages.errors import CloseCode, SessionError

log = logging.getLogger(__name__)

GOING_AWAY: Final = 1001
RESTART_FLUSH_S: Final = 0.7  # the whole process has 3 s from the signal to its end
SAMPLE_BYTES: Final = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}


class Session:
    """Serves one client until its connection is closed."""

    def __init__(self, gateway: Gateway, client: WebSocket, wish: Wish) -> None:
        self.id = uuid.uuid4().hex
        self._gateway, self._client = gateway, client
        self._config, self._query = wish.config, wish.query
        self._outbox = Outbox()
        self._writer = Writer(client, self._outbox, gateway.metrics)
        self._proxy: Proxy | None = None
        self._worker_id = "none"
        self._may_hold_place = False

    @property
    def audio_seconds(self) -> float:
        """The audio that was passed to the worker."""
        config = self._config
        rate = SAMPLE_BYTES[config.encoding] * config.channels * config.sample_rate
        return self._proxy.audio_bytes / rate if self._proxy else 0.0

    async def run(self) -> None:
        """Serve the client; its end is told to the client, the registry, the log and the metrics."""
        writing = asyncio.create_task(self._writer.run())
        ending = Ending.error(CloseCode.INTERNAL, "cut off")
        try:
            ending = await self._until_end(writing)
        finally:
            if self._may_hold_place:
                self._gateway.releases.add(self.id, ending.status, self.audio_seconds)
        await self._close(writing, ending)
        self._report(ending)

    async def _until_end(self, writing: asyncio.Task[None]) -> Ending:
        try:
            return await first_of(self._serve(), _client_left(writing), self._restart())
        except SessionError as error:
            return Ending.error(error.code, error.message)
        except NoCapacity as refusal:
            self._may_hold_place = False
            return _refused(refusal.message, refusal.retry_after)
        except (RegistryUnavailable, WorkerUnreachable) as error:
            log.warning("session=%s no place: %s", self.id, error)
            return _refused("no worker can be reached", self._gateway.settings.retry_after)
        except Exception:
            log.exception("session=%s failed", self.id)
            return Ending.error(CloseCode.INTERNAL, "a fault of the server")

    async def _serve(self) -> Ending:
        link = await self._connect()
        try:
            self._writer.link = link
            self._proxy = Proxy(self._client, link, self._outbox, self._gateway.metrics)
            runs = [self._proxy.run(), *([link.measure()] if self._config.timing else [])]
            return await first_of(*runs)
        finally:
            await link.close(GOING_AWAY)

    async def _restart(self) -> Ending:
        await self._gateway.stopping.wait()
        return Ending.error(CloseCode.RESTARTING, "the gateway is going away")

    async def _connect(self) -> WorkerLink:
        """A connection to a worker with a free place; if the first can't be reached, to another."""
        started = time.monotonic()
        allocation = await self._allocate(())
        try:
            link = await self._open(allocation)
        except WorkerUnreachable as error:
            log.warning("session=%s trying another worker: %s", self.id, error)
            allocation = await self._allocate((allocation.worker_id,))
            link = await self._open(allocation)
        self._gateway.metrics.routing.observe(time.monotonic() - started)
        self._worker_id = allocation.worker_id
        log.info(
            "begin session=%s worker=%s model=%s language=%s",
            self.id,
            allocation.worker_id,
            allocation.model,
            self._config.language,
        )
        return link

    async def _allocate(self, avoid: tuple[str, ...]) -> Allocation:
        config = self._config
        self._may_hold_place = True
        return await self._gateway.router.allocate(self.id, config.model, config.language, avoid)

    async def _open(self, allocation: Allocation) -> WorkerLink:
        settings = self._gateway.settings
        return await WorkerLink.open(
            allocation,
            self.id,
            self._query,
            settings.worker_connect_timeout,
            settings.worker_send_timeout,
        )

    async def _close(self, writing: asyncio.Task[None], ending: Ending) -> None:
        """Get what waits and the last error to the client, then close; a client that left is left."""
        try:
            if ending.code is None:
                return
            self._outbox.end(ending.event)
            async with asyncio.timeout(self._flush_seconds(ending)):
                await writing
                with raising_disconnect():
                    await self._client.close(ending.code, ending.name)
        except TimeoutError:
            log.warning("session=%s the client did not read its last results", self.id)
        except WebSocketDisconnect:
            log.debug("session=%s the client left during the close", self.id)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    def _flush_seconds(self, ending: Ending) -> float:
        seconds = self._gateway.settings.flush_timeout
        return min(seconds, RESTART_FLUSH_S) if ending.code is CloseCode.RESTARTING else seconds

    def _report(self, ending: Ending) -> None:
        metrics = self._gateway.metrics
        metrics.sessions.labels(ending.name).inc()
        metrics.audio.inc(self.audio_seconds)
        metrics.dropped_partials.inc(self._outbox.dropped_partials)
        log.info(
            "end session=%s worker=%s audio=%.1fs close=%s reason=%s dropped_partials=%d",
            self.id,
            self._worker_id,
            self.audio_seconds,
            "none" if ending.code is None else int(ending.code),
            ending.name,
            self._outbox.dropped_partials,
        )


def _refused(message: str, retry_after: float) -> Ending:
    return Ending.error(CloseCode.NO_CAPACITY, message, retry_after=retry_after)


async def _client_left(writing: asyncio.Task[None]) -> Ending:
    """Ends when the writer does: before the session's end, that is because nobody reads."""
    await asyncio.wait([writing])
    error = writing.exception()
    if error is not None and not isinstance(error, WebSocketDisconnect):
        raise error
    return Ending(None)
