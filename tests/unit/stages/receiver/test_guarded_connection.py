"""A gateway that sends and does not read is not read either, by a real connection of websockets."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from stages.receiver.guarded_connection import GuardedConnection
from tests.support.managed_process import DEADLINE_S
from tests.support.sockets import keep_little

PING = Frame(Opcode.PING, bytes(125)).serialize(mask=True)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_gateway_that_does_not_read_is_not_read(new_loop: Callable[[], Any]) -> None:
    accepted: asyncio.Queue[ServerConnection]

    async def hold(connection: ServerConnection) -> None:
        accepted.put_nowait(connection)
        await connection.wait_closed()

    async def main() -> None:
        nonlocal accepted
        accepted = asyncio.Queue()
        options: Any = {"compression": None, "max_queue": 2, "create_connection": GuardedConnection}
        async with asyncio.timeout(DEADLINE_S), serve(hold, "127.0.0.1", 0, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", proxy=None, compression=None) as gateway:
                worker = await accepted.get()
                keep_little(worker.transport)
                await gateway.send("first")
                gateway.transport.pause_reading()
                gateway.transport.write(PING * 10_000)
                while not worker.paused:
                    await asyncio.sleep(0)
                assert await worker.recv() == "first"
                assert not worker.transport.is_reading()
                assert worker.transport.get_write_buffer_size() < 500_000
                gateway.transport.resume_reading()
                await gateway.send("later")
                assert await worker.recv() == "later"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
