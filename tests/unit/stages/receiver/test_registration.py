"""Checks what a worker tells the registry and does for it, with a registry that is played by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import cast

import pytest

from broker.errors import RegistryUnavailable, WorkerIdTaken
from broker.records import WorkerRecord
from broker.registry import HeartbeatReply, Registry
from dalston_realtime.protocol.close_codes import CloseCode
from runtime.errors import StartupError
from stages.receiver.registration import RegisteredWorker, Registration
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually


class StagedWorker:
    """A worker whose stages come and go."""

    worker_id = "w1"

    def __init__(self) -> None:
        self.died, self.idle = asyncio.Event(), asyncio.Event()
        self.gone: list[str] = []
        self.devices: tuple[str, ...] = ()
        self.closed: list[tuple[CloseCode, str]] = []

    def missing(self) -> list[str]:
        """As set."""
        return self.gone

    def record(self, draining: bool) -> WorkerRecord:
        """The least."""
        return WorkerRecord("w1", "ws://x", 4, (), draining=draining, devices=self.devices)

    def close_all(self, code: CloseCode, why: str) -> None:
        """Note it."""
        self.closed.append((code, why))


class ScriptedRegistry:
    """A registry whose answer is set by hand; None is a Redis that is away."""

    def __init__(self) -> None:
        self.answer: HeartbeatReply | None = HeartbeatReply(0, None)
        self.calls: asyncio.Queue[str] = asyncio.Queue()

    async def heartbeat(self, record: WorkerRecord) -> HeartbeatReply:
        """Note it."""
        self.calls.put_nowait("draining" if record.draining else "heartbeat")
        if self.answer is None:
            raise RegistryUnavailable("away")
        return self.answer

    async def offline(self, _worker_id: str) -> bool:
        """Note it."""
        self.calls.put_nowait("offline")
        if self.answer is None:
            raise RegistryUnavailable("away")
        return True

    async def until(self, call: str) -> None:
        """Wait until it is called."""
        while await self.calls.get() != call:
            pass

    def count(self) -> int:
        """How many calls came since the last look."""
        count = self.calls.qsize()
        while not self.calls.empty():
            self.calls.get_nowait()
        return count


def play(test: Callable[[StagedWorker, ScriptedRegistry, Registration], Awaitable[None]]) -> None:
    """Run a test while the worker keeps its entry."""

    async def main(clock: VirtualClock) -> None:
        worker, registry = StagedWorker(), ScriptedRegistry()
        registration = Registration(worker, cast(Registry, registry), clock=lambda: clock.now_s)
        running = asyncio.create_task(registration.run())
        async with asyncio.timeout(600):
            await test(worker, registry, registration)
        running.cancel()
        await asyncio.wait([running])

    run_virtually(main)


def test_a_stage_that_dies_is_said_at_once_and_again_until_it_is_heard() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        await registry.until("heartbeat")
        registry.answer, worker.gone = None, ["asr.1"]
        died = asyncio.get_running_loop().time()
        worker.died.set()
        await registry.until("offline")
        assert asyncio.get_running_loop().time() - died < 0.01
        await registry.until("offline")
        assert set(worker.closed) == {(CloseCode.INTERNAL, "the worker has lost asr.1")}
        registry.answer = HeartbeatReply(0, None)
        await registry.until("offline")  # it is heard
        registry.count()
        await pass_time(10)
        assert registry.count() == 0
        worker.gone = []
        await registry.until("heartbeat")

    play(main)


def test_a_worker_that_never_was_whole_says_nothing() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        worker.gone = ["asr.1"]  # before the first look
        await pass_time(10)
        assert (registry.count(), worker.closed) == (0, [])
        worker.gone = []
        await registry.until("heartbeat")

    play(main)


def test_a_registered_worker_says_every_second_that_it_is_there() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        await registry.until("heartbeat")
        await pass_time(10.5)
        assert registry.count() == 10

    play(main)


def test_a_worker_that_is_not_registered_yet_tries_more_often() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        registry.answer = None
        await pass_time(1.9)
        assert registry.count() == 10

    play(main)


def test_a_drain_closes_sessions_when_its_time_is_over_and_can_be_taken_back() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        registry.answer = HeartbeatReply(0, 5.0)
        await pass_time(4)
        registry.answer = HeartbeatReply(0, None)
        await pass_time(10)
        assert worker.closed == []
        registry.answer = HeartbeatReply(0, 5.0)
        await pass_time(5)
        assert worker.closed == []
        await pass_time(2)
        assert worker.closed[0] == (CloseCode.RESTARTING, "the worker is going away")

    play(main)


def test_a_drain_waits_while_the_others_have_no_room() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, _registration: Registration) -> None:
        registry.answer = HeartbeatReply(0, 5.0, has_room=False)
        await pass_time(60)
        assert worker.closed == []
        registry.answer = HeartbeatReply(0, 5.0)
        await pass_time(2)
        assert worker.closed[0] == (CloseCode.RESTARTING, "the worker is going away")

    play(main)


def test_draining_does_not_wait_for_ever_for_the_sessions() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, registration: Registration) -> None:
        await registration.drain(30)
        assert not worker.idle.is_set()
        await registry.until("draining")

    play(main)


def test_draining_ends_with_the_last_session() -> None:
    async def main(worker: StagedWorker, registry: ScriptedRegistry, registration: Registration) -> None:
        begun = asyncio.get_running_loop().time()
        draining = asyncio.create_task(registration.drain(60))
        await registry.until("draining")
        worker.idle.set()
        await draining
        assert asyncio.get_running_loop().time() - begun < 1

    play(main)


class NamedRegistry(ScriptedRegistry):
    """A registry in which another worker has the id for so many heartbeats."""

    def __init__(self, taken: int) -> None:
        super().__init__()
        self.taken = taken

    async def heartbeat(self, record: WorkerRecord) -> HeartbeatReply:
        """Refuse the first ones."""
        self.taken -= 1
        if self.taken >= 0:
            raise WorkerIdTaken("another worker with the id w1 is registered, at ws://y")
        return await super().heartbeat(record)


def register(registry: ScriptedRegistry, heartbeats: int, *devices: str) -> Registration:
    """Send so many heartbeats, a second apart, of a worker with these devices."""
    seconds = count(step=1.0)
    worker = StagedWorker()
    worker.devices = devices
    registration = Registration(
        cast(RegisteredWorker, worker),
        cast(Registry, registry),
        clock=lambda: next(seconds),
        wall_clock=lambda: 1_000.0,
    )

    async def main() -> None:
        for _ in range(heartbeats):
            await registration.send_heartbeat()

    asyncio.run(main())
    return registration


def test_a_worker_waits_for_an_id_that_is_about_to_come_free_and_for_no_other() -> None:
    registry = NamedRegistry(taken=3)
    register(registry, 4)
    assert registry.count() == 1
    with pytest.raises(StartupError, match="another worker with the id w1"):
        register(NamedRegistry(taken=60), 60)


def test_what_is_wrong_with_a_host_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = ScriptedRegistry()
    registry.answer = HeartbeatReply(0, None, time=4_600.0, shared=(("w2", "GPU-a"),))
    register(registry, 3, "cpu", "GPU-a", "GPU-a", "cpu")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 3
    assert "several ASR processes use one GPU and its memory" in warnings[0]
    assert "another worker uses the same GPU" in warnings[1]
    assert "the clocks of this host and of Redis differ" in warnings[2]
    assert "-3600" in warnings[2]
