"""Serves small ASGI applications by the uvicorn of the gateway."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from gateway.server.deadlines import ClientDeadlines
from gateway.server.uvicorn_adapter import DrainingServer
from gateway.server.uvicorn_server import make_server
from tests.support.managed_process import DEADLINE_S

SOON = ClientDeadlines(head=5.0)
Test = Callable[[int], Awaitable[None]]


@asynccontextmanager
async def running(
    app: ASGIApp, deadlines: ClientDeadlines = SOON, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[DrainingServer, "asyncio.Task[None]", int]]:
    """An application in a real uvicorn, for ten seconds at most: the server, its task and its port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        server = make_server(app, deadlines, tls)
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not server.started:
                    await asyncio.sleep(0)
                yield server, serving, sock.getsockname()[1]
        finally:
            await server.end_serving(serving, 0.1)


def serve(
    app: ASGIApp, test: Test, deadlines: ClientDeadlines = SOON, tls: ssl.SSLContext | None = None
) -> None:
    """Run a test, which gets the port, against an application in a real uvicorn."""

    async def main() -> None:
        async with running(app, deadlines, tls) as (_server, _serving, port):
            await test(port)

    asyncio.run(main())
