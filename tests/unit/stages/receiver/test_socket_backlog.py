"""Whether a frame waits is seen in a real connection, in its own queue and in the kernel."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from stages.receiver.socket_backlog import has_backlog

SECOND = bytes(32_000)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_waits_is_seen_and_nothing_where_nothing_waits(new_loop: Callable[[], Any]) -> None:
    accepted: asyncio.Queue[ServerConnection]

    async def hold(connection: ServerConnection) -> None:
        accepted.put_nowait(connection)
        await connection.wait_closed()

    async def main() -> None:
        nonlocal accepted
        accepted = asyncio.Queue()
        async with asyncio.timeout(10), serve(hold, "127.0.0.1", 0, compression=None, max_queue=2) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", proxy=None, compression=None) as gateway:
                worker = await accepted.get()
                assert not has_backlog(worker)
                for _ in range(10):
                    await gateway.send(SECOND)
                for _ in range(10):
                    while not has_backlog(worker):
                        await asyncio.sleep(0)
                    assert await worker.recv() == SECOND
                assert not has_backlog(worker)
            await worker.wait_closed()
            assert not has_backlog(worker)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
