"""Counts the connections for live audio of a gateway, which are limited."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.metrics import GatewayMetrics

FULL: Final = "this gateway has no connection left"  # What clients are told where one may not be opened.


class ConnectionCount:
    """How many connections are open; `limit` is how many may be."""

    def __init__(self, limit: int, metrics: GatewayMetrics) -> None:
        self.open = 0
        self._limit, self._metrics = limit, metrics
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def is_full(self) -> bool:
        """Whether there are as many as there may be."""
        return self.open >= self._limit

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a connection while it lasts."""
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    async def wait_empty(self) -> None:
        """Wait until none is open."""
        await self._empty.wait()

    def _change(self, by: int) -> None:
        self.open += by
        self._metrics.connections.set(self.open)
        if self.open:
            self._empty.clear()
        else:
            self._empty.set()
