"""The receiver: the worker's WebSocket server, its entry in the registry, its health and metrics."""

import asyncio
import logging
import socket
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final, NoReturn
from urllib.parse import parse_qsl

import orjson
import uvloop
from pydantic import Field
from websockets import http11
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from broker.errors import RegistryUnavailable
from broker.records import WorkerRecord, read_model
from broker.registry import Registry
from stages.addresses import cannot_listen, reached_at
from stages.attendance import Attendance
from stages.errors import CloseCode, InvalidParameter
from stages.fanout import Router, parse_fanout
from stages.gpu import gigabytes
from stages.intake import Intake, Limits
from stages.messages import SAMPLE_RATE, Message
from stages.metrics import open_metrics, scrape
from stages.opening import opening, reopening
from stages.parameters import parse_query
from stages.pipeline import Pipeline
from stages.runner import Stop, configure_logging, lock, run_main
from stages.secret import internal_secret, is_authorized
from stages.settings import (
    DAY_S,
    WorkerSettings,
    default_worker_id,
    make_private_dir,
    read_settings,
)

log = logging.getLogger(__name__)

PATH: Final = "/v1/session"
MAX_FRAME: Final = (1 << 20) + 1024  # the gateway refuses frames over 1 MiB
FRAMES_AHEAD: Final = 2  # frames that websockets reads before we ask for them
PING_S: Final = 10.0  # a gateway that is gone without a word is noticed after PING_S + PONG_S
# A pong waits behind the audio that has not been read: the two ends' buffers, some 20 s of speech, which
# takes less time than that to transcribe.
PONG_S: Final = 30.0
CLOSE_S: Final = 0.5  # for the answer to a close, which stands behind audio that is not read any more
MAX_LINE: Final = 80 << 10  # bytes of a request line: 100 phrases of 50 characters, percent-encoded
RECEIVE_BUFFER: Final = 128 << 10
LIFE_S: Final = 0.5  # a gateway that sends audio hears of its worker at least so often
DRAIN_S: Final = 2.0  # for the pipeline to run empty, within the grace of the signal


class ReceiverSettings(WorkerSettings):
    """What the receiver reads."""

    receiver_host: str = Field("127.0.0.1", description="address on which the worker listens")
    advertise_host: str | None = Field(
        None, description="host under which gateways reach the worker; unset: the one it listens on"
    )
    worker_id: str | None = Field(None, description="name of the worker; unset: host name and port")
    idle_timeout: float = Field(
        60, gt=0, le=DAY_S, description="seconds without audio and keepalive until a session is ended"
    )
    # at the fastest speech the transcript of a day is just below what a message may have
    max_session: float = Field(14_400, gt=0, le=DAY_S, description="seconds that a session may last")


class Worker:
    """All sessions of the worker, and what it says of itself."""

    def __init__(self, settings: ReceiverSettings, pipeline: Pipeline, counts: dict[str, int]) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._router = Router(counts)
        self._intakes: dict[str, Intake] = {}
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
        intake = Intake(gateway, opened, config, self._pipeline, limits)
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


@asynccontextmanager
async def listening(worker: Worker, settings: ReceiverSettings) -> AsyncIterator[Server]:
    """The WebSocket server.

    Raises:
        StartupError: the address or the port can't be had.
    """
    try:
        server = await serve(
            worker.serve,
            settings.receiver_host,
            settings.receiver_port,
            process_request=worker.answer,
            compression=None,
            max_size=MAX_FRAME,
            max_queue=FRAMES_AHEAD,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            close_timeout=CLOSE_S,
        )
    except (OSError, UnicodeError) as error:
        raise cannot_listen("receiver", settings.receiver_host, settings.receiver_port, error) from None
    log.info("listening on %s port %d", settings.receiver_host, settings.receiver_port)
    for each in server.sockets:  # accepted sockets inherit it
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        yield server
    finally:
        server.close(close_connections=True)


async def run(settings: ReceiverSettings, stop: Stop) -> None:
    """Serve until the signal, then end the sessions and drain the pipeline."""
    counts = parse_fanout(settings.fanout)
    loop = asyncio.get_running_loop()
    pipeline = Pipeline(settings.sockets, counts)
    worker = Worker(settings, pipeline, counts)
    registry = Registry.connect(settings.redis)
    async with listening(worker, settings) as server:
        pipeline.start(worker.deliver)
        attendance = Attendance(worker, registry)
        beating = loop.create_task(attendance.run())
        living = loop.create_task(worker.show_life())
        await stop.wait(beating)
        await attendance.leave(settings.drain_timeout)
        beating.cancel()
        living.cancel()
        with suppress(RegistryUnavailable):
            await registry.deregister(worker.worker_id)
        worker.close_all(CloseCode.RESTARTING, "the worker is going away")
        server.close(close_connections=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await server.wait_closed()  # each session's end goes into the pipeline before its own
                pipeline.end()
                await pipeline.drained.wait()
    pipeline.close()
    await registry.close()


def main() -> None:
    """Run the receiver as a process."""
    stop = Stop()
    settings = read_settings(ReceiverSettings)
    stop.extend(settings.drain_timeout)
    configure_logging("receiver", settings.log_level)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # its lines name no session
    http11.MAX_LINE_LENGTH = MAX_LINE  # read from the environment at import, else
    held = lock(make_private_dir(settings.sockets) / "receiver.lock")
    uvloop.run(run(settings, stop))
    held.close()


if __name__ == "__main__":
    run_main("receiver", main)
