"""Talks to the Wyoming port of a gateway as Home Assistant does."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from gateway.realtime.wyoming.wire import MAX_LINE_BYTES, WyomingEvent, WyomingReader, pack_event
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.managed_process import DEADLINE_S

AUDIO: Final = {"rate": 16_000, "width": 2, "channels": 1}
HALF_SECOND: Final = bytes(16_000)


@contextmanager
def wyoming_gateway(redis_url: str, **settings: str) -> Iterator[tuple[GatewayProcess, int]]:
    """A gateway with a Wyoming port, and that port."""
    with gateway_process(redis_url, wyoming_port="0", **settings) as gateway:
        port = re.search(r"port=(\d+)", gateway.process.line("serves Wyoming"))
        assert port is not None
        yield gateway, int(port[1])


class WyomingClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = WyomingReader(reader, DEADLINE_S)

    async def send(self, kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> None:
        """Send an event."""
        self.writer.write(pack_event(WyomingEvent(kind, data or {}, payload)))
        await self.writer.drain()

    async def say(self, seconds: float, **audio: int) -> None:
        """Send a request with so much silence, as far as its end."""
        await self.send("audio-start", AUDIO | audio)
        for _ in range(round(seconds * 2)):
            await self.send("audio-chunk", AUDIO | audio, HALF_SECOND)
        await self.send("audio-stop")

    async def event(self) -> WyomingEvent | None:
        """The next event, None after the last."""
        return await self._reader.read_event(DEADLINE_S)

    async def until(self, kind: str) -> dict[str, Any]:
        """The data of the next event of this kind; those before it are skipped."""
        while event := await self.event():
            if event.type == kind:
                return event.data
        raise AssertionError(f"the connection was closed without {kind}")


@asynccontextmanager
async def wyoming_client(port: int) -> AsyncIterator[WyomingClient]:
    """A connected client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MAX_LINE_BYTES)
    try:
        yield WyomingClient(reader, writer)
    finally:
        writer.close()
