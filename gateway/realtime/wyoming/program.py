"""Says what this server is to Wyoming clients, at once and whatever else is away."""

import asyncio
from importlib.metadata import version
from typing import Final

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.models import ModelInfo
from gateway.capacity.directory import WorkerDirectory
from gateway.realtime.wyoming.messages import info
from gateway.realtime.wyoming.wire import WyomingEvent

LOOK_S: Final = 0.5  # Seconds to ask for the workers: Home Assistant waits for one second.


class WyomingProgram:
    """The program that clients see; `client_ends` says who finds the end of what is said: they or we."""

    def __init__(self, directory: WorkerDirectory, *, client_ends: bool) -> None:
        self.client_ends = client_ends
        self._directory = directory
        self._models: tuple[ModelInfo, ...] = ()
        self._version = version("dalston-realtime")

    async def describe(self) -> WyomingEvent:
        """The program and its models: those of the workers, else those that were seen last."""
        try:
            async with asyncio.timeout(LOOK_S):
                snapshot = await self._directory.get()
        except (RegistryUnavailable, TimeoutError):
            pass
        else:
            self._models = tuple(model for model, _ in snapshot.models()) or self._models
        return info(self._models, self._version, client_ends=self.client_ends)
