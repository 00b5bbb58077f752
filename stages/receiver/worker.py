"""The receiver: the worker's WebSocket server, its entry in the registry, its health and metrics."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NoReturn
from urllib.parse import parse_qsl

import orjson
import structlog
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from broker.records import WorkerRecord
from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.models import read_model
from dalston_realtime.protocol.parameters import parse_query
from runtime.addresses import reached_at
from runtime.gpu import gigabytes
from runtime.secret import internal_secret, is_authorized
from runtime.worker_link import PATH
from stages.messages import Message
from stages.metrics import open_metrics, scrape
from stages.receiver.opening import opening, reopening
from stages.receiver.pipeline import StagePipeline
from stages.receiver.settings import ReceiverSettings
from stages.receiver.worker_session import Limits, WorkerSession
from stages.settings import default_worker_id
from stages.topology import ProcessAllocator

log = structlog.stdlib.get_logger(__name__)

LIFE_S: Final = 0.5  # a gateway that sends audio hears of its worker at least so often


class Worker:
    """All sessions of the worker, and what it says of itself."""

    def __init__(self, settings: ReceiverSettings, pipeline: StagePipeline, counts: dict[str, int]) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._router = ProcessAllocator(counts)
        self._intakes: dict[str, WorkerSession] = {}
        self._limits = Limits(settings.idle_timeout, settings.max_session)
        self.worker_id = settings.worker_id or default_worker_id(settings.receiver_port)
        self.died = pipeline.died
        self.idle = asyncio.Event()
        self.idle.set()
        self._secret = internal_secret(settings)
        self.metrics = open_metrics(settings.sockets / "metrics")

    def deliver(self, message: Message, payload: bytes) -> None:
        """Hand what a sender says to its session, if it is still here."""
        if intake := self._intakes.get(getattr(message, "session", "")):
            intake.deliver(message, payload)

    async def serve(self, gateway: ServerConnection) -> None:
        """One session, from a gateway's connection to its close."""
        assert gateway.request is not None
        _, query = _split(gateway.request)
        session = query.get("session_id") or uuid.uuid4().hex
        if session in self._intakes:
            await gateway.close(CloseCode.INVALID_REQUEST, f"session {session} is open already")
            return
        config = parse_query(query)
        route = self._router.take()
        opened = reopening(opening(session, route, config), query)
        limits = replace(self._limits, progress=query.get("progress") == "true")
        intake = WorkerSession(gateway, opened, config, self._pipeline, limits)
        self._intakes[session] = intake
        self.idle.clear()
        self.metrics.sessions.inc()
        try:
            code = await intake.run()
            log.info("session=%s ended code=%d audio=%.1fs", session, code, intake.lag.audio_s)
        finally:
            del self._intakes[session]
            if not self._intakes:
                self.idle.set()
            self._router.give_back(route)
            self.metrics.sessions.dec()
            self.metrics.audio.inc(intake.lag.audio_s - opened.start / SAMPLE_RATE)

    async def show_life(self) -> NoReturn:
        """Let gateways hear that the worker lives however busy its stages are, until cancelled."""
        while True:
            await asyncio.sleep(LIFE_S)
            for intake in self._intakes.values():
                intake.show_life()
            if self._pipeline.missing():
                self.died.set()

    def close_all(self, code: CloseCode, why: str) -> None:
        """End all sessions: the worker is going away, or a stage of it is gone."""
        for intake in self._intakes.values():
            intake.outgoing.fail(code, why)

    def capacity(self) -> int:
        """Places of the worker: less than configured where a device has run out of memory."""
        return self._pipeline.capacity(self._settings.sessions_per_gpu)

    def missing(self) -> list[str]:
        """The stage processes that are not there."""
        self.metrics.lag.set(self.lag())
        return self._pipeline.missing()

    def lag(self) -> float:
        """Seconds of the session that is furthest behind."""
        return max((intake.behind for intake in self._intakes.values()), default=0.0)

    def record(self, draining: bool = False) -> WorkerRecord:
        """The worker as the registry knows it."""
        s = self._settings
        models = orjson.loads(self._pipeline.models)
        memory = self._pipeline.gpu_memory
        return WorkerRecord(
            self.worker_id,
            f"ws://{reached_at(s.receiver_host, s.receiver_port, s.advertise_host)}",
            self.capacity(),
            tuple(map(read_model, models)),
            round(self.lag(), 3),
            draining,
            gpu_memory_used=gigabytes(memory.used) if memory else None,
            gpu_memory_total=gigabytes(memory.total) if memory else None,
            degraded_capacity=self._pipeline.capacity(s.degraded_sessions_per_gpu),
            # Behind the dot a gateway tells the links of one session apart.
            sessions=tuple(sorted({session.partition(".")[0] for session in self._intakes})),
        )

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """What plain HTTP requests get, and what is wrong with a WebSocket request; else None."""
        path, query = _split(request)
        if path == "/healthz":
            missing = self._pipeline.missing()
            body = orjson.dumps({"status": "ok" if not missing else "incomplete", "missing": missing})
            return _response(200 if not missing else 503, "application/json", body)
        if path == "/metrics":
            lags = {session: intake.behind for session, intake in self._intakes.items()}
            body = scrape(self._settings.sockets / "metrics", lags)
            return _response(200, "text/plain; version=0.0.4", body)
        if path != PATH:
            return _response(404, "text/plain", f"sessions are at {PATH}\n".encode())
        if not is_authorized(request.headers.get("Authorization"), self._secret):
            return _response(401, "text/plain", b"sessions are for gateways, with the internal secret\n")
        return self._refusal(query)

    def _refusal(self, query: Mapping[str, str]) -> Response | None:
        """What a gateway gets instead of a session, None if nothing is wrong."""
        if missing := self._pipeline.missing():
            return _response(503, "text/plain", f"waiting for {', '.join(missing)}\n".encode())
        try:
            parse_query(query)
        except InvalidParameter as error:
            return _response(400, "text/plain", f"{error.message}\n".encode())
        return None


def _split(request: Request) -> tuple[str, dict[str, str]]:
    """Path and query of a request's target, which may be anything."""
    path, _, query = request.path.partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))


def _response(status: int, kind: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, "OK" if status == 200 else "Error", headers, body)
