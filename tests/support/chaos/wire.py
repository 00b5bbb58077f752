"""Lies between clients and gateways as a TCP proxy to any that answers; can be cut and held up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final

CHUNK: Final = 1 << 16


@dataclass(eq=False)
class Line:
    """One connection: both of its ends, and whether it carries anything now."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        """Break it without a word."""
        for writer in (self.near, self.far):
            writer.transport.abort()
        self.free.set()

    async def copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Carry one direction until the source is at its end; then the other one has no use either."""
        with suppress(ConnectionError):
            while data := await source.read(CHUNK):
                await self.free.wait()
                target.write(data)
                await target.drain()
        target.close()


class Wire:
    """All connections of the clients; while `gateways` has no port, it takes none."""

    def __init__(self, gateways: Sequence[int], random: Random) -> None:
        self.port = 0
        self.gateways, self._random = list(gateways), random
        self._open: list[Line] = []

    def cut(self) -> bool:
        """Break one connection without a word; whether there was one."""
        if not self._open:
            return False
        self._random.choice(self._open).abort()
        return True

    def cut_all(self) -> None:
        """Break all connections without a word."""
        for line in list(self._open):
            line.abort()

    async def hold(self, seconds: float) -> bool:
        """Carry nothing over one connection for so long, and then all of it; whether there was one."""
        if not self._open:
            return False
        line = self._random.choice(self._open)
        line.free.clear()
        await asyncio.sleep(seconds)
        line.free.set()
        return True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, to the first gateway that takes it."""
        for port in self._random.sample(self.gateways, len(self.gateways)):
            with suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            writer.transport.abort()
            return
        line = Line(writer, far_writer)
        line.free.set()
        self._open.append(line)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(line.copy(reader, far_writer))
                tasks.create_task(line.copy(far_reader, writer))
        finally:
            self._open.remove(line)
            writer.close()
            far_writer.close()


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
