"""What a worker says of itself, and what it is told, with a registry that is played by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.errors import RegistryUnavailable
from broker.records import WorkerRecord
from broker.registry import HeartbeatReply
from dalston_realtime.protocol.close_codes import CloseCode
from stages.receiver.registration import Registration


class StagedWorker:
    """A worker whose stages come and go."""

    worker_id = "w1"

    def __init__(self) -> None:
        self.died, self.idle = asyncio.Event(), asyncio.Event()
        self.gone: list[str] = []
        self.closed: list[tuple[CloseCode, str]] = []

    def missing(self) -> list[str]:
        """As set."""
        return self.gone

    def record(self, draining: bool) -> WorkerRecord:
        """The least."""
        return WorkerRecord("w1", "ws://x", 4, (), draining=draining)

    def close_all(self, code: CloseCode, why: str) -> None:
        """Note it."""
        self.closed.append((code, why))


class FakeRegistry:
    """A registry whose answer is set by hand."""

    def __init__(self) -> None:
        self.answer: HeartbeatReply | None = HeartbeatReply(0, None)
        self.said: asyncio.Queue[str] = asyncio.Queue()

    async def heartbeat(self, record: WorkerRecord) -> HeartbeatReply:
        """Note it."""
        self.said.put_nowait("draining" if record.draining else "beat")
        if self.answer is None:
            raise RegistryUnavailable("away")
        return self.answer

    async def offline(self, _worker_id: str) -> bool:
        """Note it."""
        self.said.put_nowait("offline")
        if self.answer is None:
            raise RegistryUnavailable("away")
        return True


def play(
    test: Callable[[StagedWorker, Any, Registration], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a test while the attendance beats a hundred times a second."""
    monkeypatch.setattr("stages.receiver.registration.BEAT_S", 0.01)

    async def main() -> None:
        worker, registry = StagedWorker(), FakeRegistry()
        registry_: Any = registry
        attendance = Registration(worker, registry_)
        running = asyncio.create_task(attendance.run())
        async with asyncio.timeout(5):
            await test(worker, registry, attendance)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(main())


async def hear(registry: FakeRegistry, expected: str) -> None:
    """Wait until it is said."""
    while await registry.said.get() != expected:
        pass


def test_a_stage_that_dies_is_said_at_once_and_again_until_it_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(worker: StagedWorker, registry: FakeRegistry, _attendance: Registration) -> None:
        await hear(registry, "beat")
        registry.answer, worker.gone = None, ["asr.1"]
        worker.died.set()
        await hear(registry, "offline")
        await hear(registry, "offline")
        assert set(worker.closed) == {(CloseCode.INTERNAL, "the worker has lost asr.1")}
        registry.answer, worker.gone = HeartbeatReply(0, None), []
        await hear(registry, "beat")

    play(main, monkeypatch)


def test_a_worker_that_never_was_whole_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(worker: StagedWorker, registry: FakeRegistry, _attendance: Registration) -> None:
        await hear(registry, "beat")
        assert worker.closed == []

    play(main, monkeypatch)


def test_a_drain_closes_sessions_when_its_time_is_over_and_can_be_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(worker: StagedWorker, registry: FakeRegistry, _attendance: Registration) -> None:
        registry.answer = HeartbeatReply(0, 60.0)
        for _ in range(3):
            await hear(registry, "beat")
        registry.answer = HeartbeatReply(0, None)
        for _ in range(2):
            await hear(registry, "beat")
        assert worker.closed == []
        registry.answer = HeartbeatReply(0, 0.0)
        for _ in range(4):
            await hear(registry, "beat")
        assert worker.closed[0] == (CloseCode.RESTARTING, "the worker is going away")

    play(main, monkeypatch)


def test_leaving_waits_for_the_sessions_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(worker: StagedWorker, registry: FakeRegistry, attendance: Registration) -> None:
        await attendance.leave(0.01)
        await hear(registry, "draining")
        leaving = asyncio.create_task(attendance.leave(60))
        await hear(registry, "draining")
        worker.idle.set()
        await leaving

    play(main, monkeypatch)
