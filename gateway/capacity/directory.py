"""Keeps one recent snapshot of the registry's workers, for all connections."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from broker.errors import RegistryUnavailable
from broker.records import WorkerInfo
from broker.router import SessionRouter
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.models import VARIANTS, ModelInfo

MAX_AGE_S: Final = 1.0  # Seconds: workers send heartbeats every second, so a newer one would say nothing new.


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """The workers at one moment."""

    workers: tuple[WorkerInfo, ...]

    @property
    def alive(self) -> list[WorkerInfo]:
        """Those whose heartbeat is fresh."""
        return [worker for worker in self.workers if worker.alive]

    @property
    def capacity(self) -> int:
        """All slots of the live workers."""
        return sum(worker.capacity for worker in self.alive)

    @property
    def active(self) -> int:
        """All sessions of the live workers."""
        return sum(worker.active_sessions for worker in self.alive)

    @property
    def free(self) -> int:
        """The slots that new sessions could get."""
        return sum(worker.free for worker in self.alive)

    @property
    def status(self) -> Literal["ready", "at_capacity", "unavailable"]:
        """`ready`, `at_capacity` or `unavailable`."""
        if self.free:
            return "ready"
        return "at_capacity" if self.alive else "unavailable"

    def models(self) -> list[tuple[ModelInfo, int]]:
        """The loaded models by name, each with the number of live workers that have it.

        One that is several variants is there once for each of them.
        """
        loaded: dict[tuple[str, str], tuple[ModelInfo, int]] = {}
        for worker in self.alive:
            for model in worker.models:
                key = model.name, model.variant
                _, workers = loaded.get(key, (model, 0))
                loaded[key] = model, workers + 1
        return [loaded[key] for key in sorted(loaded)]

    def check(self, model: str, language: str) -> None:
        """Whether a live worker could serve this, free or not.

        Raises:
            InvalidParameter: none has that model, or that model has not that language.
        """
        if not self.alive:
            return
        loaded = [info for info, _ in self.models()]
        asked = [info for info in loaded if info.answers_to(model)]
        if not asked and model not in VARIANTS:
            names = ", ".join(dict.fromkeys((*VARIANTS, *(info.name for info in loaded))))
            raise InvalidParameter("model", f"no worker has {model[:80]!r}; there are {names}")
        if asked and not any(info.speaks(language) for info in asked):
            spoken = sorted({code for info in asked for code in info.languages})
            raise InvalidParameter(
                "language",
                f"{model[:80]} does not know {language}; it knows auto, {', '.join(spoken)}",
            )


class WorkerDirectory:
    """A snapshot that is at most a second old, read once however many ask for it."""

    def __init__(self, router: SessionRouter, clock: Callable[[], float]) -> None:
        self._router = router
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at = float("-inf")
        self._snapshot: WorkerSnapshot | RegistryUnavailable = WorkerSnapshot(())
        self._stale: dict[str, int] | None = None

    async def get(self) -> WorkerSnapshot:
        """The workers as of the last second.

        Raises:
            RegistryUnavailable: Redis did not answer, as of the last second.
        """
        async with self._reading:
            if self._clock() - self._read_at >= MAX_AGE_S:
                self._snapshot = await self._read()
                self._read_at = self._clock()
        if isinstance(self._snapshot, RegistryUnavailable):
            raise RegistryUnavailable(str(self._snapshot))
        return self._snapshot

    async def get_beating(self) -> WorkerSnapshot:
        """Those that have sent a heartbeat since this gateway came up.

        The entries found at the start may be those of workers that were killed seconds ago.

        Raises:
            RegistryUnavailable: Redis did not answer, as of the last second.
        """
        snapshot = await self.get()
        stale = self._stale or {}
        beating = (w for w in snapshot.workers if stale.get(w.worker_id) != w.heartbeat_ms)
        return WorkerSnapshot(tuple(beating))

    async def _read(self) -> WorkerSnapshot | RegistryUnavailable:
        try:
            workers = await self._router.workers()
        except RegistryUnavailable as error:
            return error
        if self._stale is None:
            self._stale = {worker.worker_id: worker.heartbeat_ms for worker in workers}
        return WorkerSnapshot(tuple(workers))
