"""What lies between clients and gateways: a TCP proxy that takes any gateway that answers, and can be cut."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

CHUNK: Final = 1 << 16


class Wire:
    """All connections of the clients."""

    def __init__(self, gateways: Sequence[int], random: Random) -> None:
        self.port = 0
        self._gateways, self._random = list(gateways), random
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []

    def cut(self) -> bool:
        """Break one connection without a word; whether there was one."""
        if not self._open:
            return False
        for writer in self._random.choice(self._open):
            writer.transport.abort()
        return True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, to the first gateway that takes it."""
        for port in self._random.sample(self._gateways, len(self._gateways)):
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.transport.abort()
            return
        pair = (writer, far_writer)
        self._open.append(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, far_writer))
                tasks.create_task(_copy(far_reader, writer))
        finally:
            self._open.remove(pair)
            for each in pair:
                each.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until the source is at its end; then the other direction has no use either."""
    with suppress(ConnectionError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()


@asynccontextmanager
async def wire(gateways: Sequence[int], random: Random) -> AsyncIterator[Wire]:
    """A running proxy."""
    between = Wire(gateways, random)
    server = await asyncio.start_server(between.carry, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        while between.cut():
            await asyncio.sleep(0)
