"""Holds all sessions of a worker, serves each of them, and says how the worker is."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final, NoReturn

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from broker.records import WorkerRecord
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.models import read_model
from runtime.addresses import reached_at
from runtime.errors import SessionError
from runtime.gpu import gigabytes
from runtime.logs import bind_session, get_logger
from runtime.worker_link import (
    VERSION,
    BadLinkMessage,
    OpenSession,
    SessionAccepted,
    SessionRefused,
    encode,
)
from stages.messages import Message
from stages.metrics import open_metrics
from stages.receiver.heartbeat_watch import LOOK_S
from stages.receiver.opening import connection_key, connection_of, read_open
from stages.receiver.pipeline import StagePipeline
from stages.receiver.settings import ReceiverSettings
from stages.receiver.socket_backlog import has_backlog
from stages.receiver.worker_session import WorkerSession, WorkerSessionLimits
from stages.settings import default_worker_id
from stages.topology import ProcessAllocator

log = get_logger(__name__)

ALIVE_S: Final = 0.25  # Seconds: a gateway that sends audio hears of its worker at least so often.
OPEN_S: Final = 5.0  # Seconds for a gateway's first frame, which follows at once on the connection.


class Worker:
    """All sessions of the worker, and what it says of itself."""

    def __init__(self, settings: ReceiverSettings, pipeline: StagePipeline) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._processes = ProcessAllocator(settings.fanout)
        self._sessions: dict[str, WorkerSession] = {}
        self._opening: set[asyncio.Timeout] = set()  # the deadlines of connections without a request yet
        self._limits = WorkerSessionLimits(settings.idle_timeout, settings.max_session)
        self.worker_id = settings.worker_id or default_worker_id(settings.receiver_port)
        self.died = pipeline.died
        self.idle = asyncio.Event()
        self.idle.set()
        self.metrics = open_metrics(settings.sockets / "metrics")

    def dispatch_result(self, message: Message, payload: bytes) -> None:
        """Hand what a sender says to its session, if it is still here."""
        if session := self._sessions.get(connection_of(getattr(message, "session", ""))):
            session.handle_result(message, payload)

    async def serve(self, gateway: ServerConnection) -> None:
        """Serve one session, from a gateway's connection to its close."""
        try:
            asked = await self._receive_open(gateway)
        except ConnectionClosed:
            return
        except SessionError as refusal:
            await _refuse(gateway, refusal)
            return
        bind_session(asked.session_id)  # for the lines of this task, which serves one connection
        with self._admit(asked, gateway) as session:
            try:
                await gateway.send(encode(SessionAccepted(version=VERSION)))
            except ConnectionClosed:
                return
            code = await session.run()
            log.info("ended", code=int(code), audio_s=round(session.intake.lag.audio_s, 1))

    async def _receive_open(self, gateway: ServerConnection) -> OpenSession:
        """A gateway's request for a session that this worker can serve.

        Raises:
            SessionError: there is none in time, it is not one, or a stage or a slot for it is missing.
        """
        try:
            async with asyncio.timeout(OPEN_S) as deadline:
                self._opening.add(deadline)
                frame = await gateway.recv()
            asked = read_open(frame)
        except TimeoutError:
            raise SessionError(CloseCode.INVALID_REQUEST, "no request for a session came") from None
        except BadLinkMessage as error:
            raise SessionError(CloseCode.INVALID_REQUEST, str(error)) from None
        finally:
            self._opening.discard(deadline)
        if missing := self._pipeline.missing():
            raise SessionError(CloseCode.NO_CAPACITY, f"waiting for {', '.join(missing)}")
        if connection_key(asked) in self._sessions:
            raise SessionError(CloseCode.INVALID_REQUEST, f"session {asked.session_id} is open already")
        return asked

    @contextmanager
    def _admit(self, asked: OpenSession, gateway: ServerConnection) -> Iterator[WorkerSession]:
        """A session that is one of the worker's for the duration of a block."""
        route = self._processes.allocate()
        session = WorkerSession(
            gateway, asked, route, self._pipeline, self._limits, has_backlog=partial(has_backlog, gateway)
        )
        self._sessions[connection_key(asked)] = session
        self.idle.clear()
        self.metrics.sessions.inc()
        try:
            yield session
        finally:
            del self._sessions[connection_key(asked)]
            if not self._sessions:
                self.idle.set()
            self._processes.release(route)
            self.metrics.sessions.dec()
            self.metrics.audio.inc(session.new_audio_s)

    async def run_alive_reports(self) -> NoReturn:
        """Let gateways hear that the worker lives however busy its stages are, until cancelled."""
        while True:
            await asyncio.sleep(ALIVE_S)
            for session in self._sessions.values():
                session.report_alive()

    async def watch_stages(self) -> NoReturn:
        """Notice stage processes that hang, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._pipeline.look_for_silent()
            if self._pipeline.missing():
                self.died.set()

    def close_all(self, code: CloseCode, why: str) -> None:
        """End all sessions: the worker is going away, or a stage of it is gone."""
        for session in self._sessions.values():
            session.writer.close_with_error(code, why)
        now = asyncio.get_running_loop().time()
        for deadline in self._opening:
            if not deadline.expired():
                deadline.reschedule(now)

    def capacity(self) -> int:
        """Slots of the worker."""
        return self._settings.sessions_per_gpu * self._settings.fanout["asr"]

    def missing(self) -> list[str]:
        """The stage processes that are not there."""
        self.metrics.lag.set(self.lag())
        return self._pipeline.missing()

    def lags(self) -> Mapping[str, float]:
        """Seconds by which the results of each session are behind its audio."""
        lags: dict[str, float] = {}
        for session in self._sessions.values():
            lags[session.session_id] = max(session.lag_s, lags.get(session.session_id, 0.0))
        return lags

    def lag(self) -> float:
        """Seconds of the session that is furthest behind."""
        return max(self.lags().values(), default=0.0)

    def record(self, draining: bool = False) -> WorkerRecord:
        """The worker as the registry knows it."""
        s = self._settings
        models = msgspec.json.decode(self._pipeline.models)
        memory = self._pipeline.gpu_memory
        scheme = "wss" if s.receiver_tls_cert else "ws"
        return WorkerRecord(
            self.worker_id,
            f"{scheme}://{reached_at(s.receiver_host, s.receiver_port, s.advertise_host)}",
            self.capacity(),
            tuple(map(read_model, models)),
            round(self.lag(), 3),
            draining,
            gpu_memory_used=gigabytes(memory.used) if memory else None,
            gpu_memory_total=gigabytes(memory.total) if memory else None,
            degraded_capacity=s.degraded_sessions_per_gpu * s.fanout["asr"],
            devices=self._pipeline.devices,
            pass_age=self._pipeline.pass_age(),
            sessions=tuple(sorted({session.session_id for session in self._sessions.values()})),
        )


async def _refuse(gateway: ServerConnection, refusal: SessionError) -> None:
    log.warning("refused a session", why=refusal.message)
    try:
        await gateway.send(encode(SessionRefused(version=VERSION, message=refusal.message)))
        await gateway.close(refusal.code, refusal.code.error)
    except ConnectionClosed:
        return
