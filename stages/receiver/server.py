"""Runs the receiver: the WebSocket server of a worker, from its start to its clean end."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from websockets.asyncio.server import Server, serve

from broker.errors import RegistryUnavailable
from broker.registry import Registry
from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from dalston_realtime.protocol.close_codes import CloseCode
from runtime.addresses import cannot_listen
from runtime.logs import get_logger
from runtime.process import Stop
from runtime.tls import server_certificate
from stages.receiver.guarded_connection import GuardedConnection
from stages.receiver.http import HttpResponder
from stages.receiver.pipeline import StagePipeline
from stages.receiver.registration import Registration
from stages.receiver.settings import ReceiverSettings
from stages.receiver.worker import Worker

log = get_logger(__name__)

MAX_FRAME: Final = MAX_FRAME_BYTES + 1024  # Bytes: the gateway refuses frames over 1 MiB before.
FRAMES_AHEAD: Final = 2  # Frames that websockets reads before we ask for them: more would hide a lag.
PING_S: Final = 10.0  # Seconds: a gateway that is gone without a close is noticed after PING_S + PONG_S.
# Seconds. A pong waits behind the audio that has not been read: the two ends' buffers, some 20 s of speech,
# which takes less time than that to transcribe.
PONG_S: Final = 30.0
CLOSE_S: Final = 0.5  # Seconds for the answer to a close, which stands behind audio that nobody reads.
RECEIVE_BUFFER: Final = 128 << 10  # Bytes, 4 s of a session: more would hide a lag from the gateway.
DRAIN_S: Final = 2.0  # Seconds for the pipeline to run empty, within the grace of the signal.


@asynccontextmanager
async def listening(
    worker: Worker, settings: ReceiverSettings, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """The WebSocket server.

    Raises:
        StartupError: the address or the port can't be had.
    """
    try:
        server = await serve(
            worker.serve,
            settings.receiver_host,
            settings.receiver_port,
            ssl=tls,
            create_connection=GuardedConnection,
            process_request=HttpResponder(settings, worker).respond,
            compression=None,
            max_size=MAX_FRAME,
            max_queue=FRAMES_AHEAD,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            close_timeout=CLOSE_S,
        )
    except (OSError, UnicodeError) as error:
        raise cannot_listen("receiver", settings.receiver_host, settings.receiver_port, error) from None
    log.info("listening", host=settings.receiver_host, port=settings.receiver_port)
    for each in server.sockets:  # accepted sockets inherit it
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    try:
        yield server
    finally:
        server.close(close_connections=True)


async def serve_worker(settings: ReceiverSettings, stop: Stop) -> None:
    """Serve until the signal, then end the sessions and drain the pipeline."""
    loop = asyncio.get_running_loop()
    pipeline = StagePipeline(settings.sockets, settings.fanout)
    worker = Worker(settings, pipeline)
    registry = Registry.connect(settings.redis)
    certificate = server_certificate(settings.receiver_tls_cert, settings.receiver_tls_key, "RECEIVER_TLS")
    async with listening(worker, settings, certificate.context if certificate else None) as server:
        pipeline.start(worker.dispatch_result)
        registration = Registration(worker, registry)
        heartbeats = loop.create_task(registration.run())
        watched = [worker.run_alive_reports(), worker.watch_stages()]
        watches = [
            loop.create_task(each) for each in (*watched, *([certificate.run()] if certificate else []))
        ]
        await stop.wait(heartbeats)
        await registration.drain(settings.drain_timeout)
        heartbeats.cancel()
        for watch in watches:
            watch.cancel()
        with suppress(RegistryUnavailable):
            await registry.deregister(worker.worker_id)
        worker.close_all(CloseCode.RESTARTING, "the worker is going away")
        server.close(close_connections=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await server.wait_closed()  # each session's end goes into the pipeline before its own
                pipeline.send_end_of_stream()
                await pipeline.drained.wait()
    pipeline.close()
    await registry.close()
