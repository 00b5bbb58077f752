"""A worker for a session: what it is asked for, and who is asked when the first can't be reached."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from broker.errors import NoCapacity, RegistryUnavailable, SessionOver
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.announcements import WorkerLost
from gateway.capacity.slots import SlotManager
from gateway.metrics import GatewayMetrics
from gateway.workers.assignment import OpenConnection, WorkerAccess, WorkerAssignment, config_for
from gateway.workers.connection import WorkerConnection, WorkerUnreachable
from runtime.worker_link import OpenSession, ResumePoint
from tests.support.gateway_parts import SLOT, FakeSlots, MemoryWorker, opening, unreachable
from tests.support.virtual_time import VirtualClock, run_virtually

OTHER = Allocation("w2", "ws://nowhere", "base", degraded=True)
RESUME = ResumePoint(clock=16_000, replayed=32_000, utterance=2)
ASKED = SessionConfig(model="accurate", overflow="degrade")


def assignment(
    slots: FakeSlots, open_connection: OpenConnection, out_of_reach: tuple[str, ...] = ()
) -> WorkerAssignment:
    access = WorkerAccess(
        cast(SlotManager, slots),
        WorkerLost(),
        open_connection,
        GatewayMetrics(),
        new_suffix=lambda: "beef",
        unreachable=lambda: out_of_reach,
    )
    return WorkerAssignment(access, "s", ASKED)


def play(test: Callable[[], Awaitable[None]]) -> None:
    async def main(_clock: VirtualClock) -> None:
        async with asyncio.timeout(60):
            await test()

    run_virtually(main)


def test_a_worker_is_asked_for_what_the_client_asked_for() -> None:
    async def test() -> None:
        worker = MemoryWorker()
        assigned = assignment(FakeSlots(SLOT), opening(worker))
        await assigned.assign(SessionConfig(min_silence_ms=700), lambda *_: None)
        request = worker.request
        assert (request.session_id, request.link_id, request.resume) == ("s", "", None)
        assert request.config == SessionConfig(min_silence_ms=700)
        assert (assigned.worker_id, assigned.degraded) == ("w1", False)

    play(test)


def test_a_degraded_slot_names_the_model_and_the_strategy_stays_here() -> None:
    assert config_for(SLOT, ASKED, traced=False) == SessionConfig(model="accurate")
    assert config_for(OTHER, ASKED, traced=False) == SessionConfig(model="base")


def test_a_worker_of_traced_sessions_says_where_the_time_went() -> None:
    assert config_for(SLOT, ASKED, traced=True) == SessionConfig(model="accurate", timing=True)


def test_another_worker_is_told_where_to_go_on_under_another_name() -> None:
    async def test() -> None:
        worker, slots = MemoryWorker(), FakeSlots(OTHER)
        assigned = assignment(slots, opening(worker))
        assigned.worker_id = "w1"
        await assigned.reassign(SessionConfig(), RESUME, had_worker=True)
        assert slots.avoided == [("w1",)]
        request = worker.request
        assert (request.session_id, request.link_id, request.resume) == ("s", "beef", RESUME)
        assert request.degraded
        assert assigned.degraded

    play(test)


def test_without_another_worker_it_is_tried_for_some_seconds() -> None:
    async def test() -> None:
        slots = FakeSlots(SLOT, OTHER)
        started = asyncio.get_running_loop().time()
        assert await assignment(slots, unreachable).reassign(ASKED, RESUME, had_worker=True) is None
        assert asyncio.get_running_loop().time() - started == pytest.approx(8.0, abs=0.3)
        assert slots.avoided[:4] == [("none",), ("w1",), ("w2",), ()]

    play(test)


def test_the_only_worker_is_waited_for_while_none_has_the_model() -> None:
    async def test() -> None:
        gone = NoCapacity("no worker is there", 1.0, is_served=False)
        slots = FakeSlots(*[gone] * 50, *[RegistryUnavailable("away")] * 50, SLOT)
        started = asyncio.get_running_loop().time()
        worker = await assignment(slots, opening(MemoryWorker())).reassign(ASKED, RESUME, had_worker=True)
        assert worker is not None
        assert asyncio.get_running_loop().time() - started == pytest.approx(20.0, abs=0.3)

    play(test)


def test_it_is_waited_for_no_longer_than_the_resume_window() -> None:
    async def test() -> None:
        slots = FakeSlots(*[NoCapacity("no worker is there", 1.0, is_served=False)] * 1_000)
        started = asyncio.get_running_loop().time()
        assert await assignment(slots, unreachable).reassign(ASKED, RESUME, had_worker=True) is None
        assert asyncio.get_running_loop().time() - started == pytest.approx(30.0, abs=0.3)

    play(test)


def test_a_session_whose_slot_is_released_gets_no_other_worker() -> None:
    async def test() -> None:
        slots = FakeSlots(SessionOver("over"))
        assert await assignment(slots, unreachable).reassign(ASKED, RESUME, had_worker=True) is None
        assert len(slots.avoided) == 1

    play(test)


def test_a_worker_of_another_version_is_passed_over() -> None:
    async def test() -> None:
        worker = MemoryWorker()

        async def open_connection(slot: Allocation, request: OpenSession) -> WorkerConnection:
            if slot is SLOT:
                raise WorkerUnreachable("link version 1 is not known here")
            return await opening(worker)(slot, request)

        slots = FakeSlots(SLOT, OTHER)
        assigned = assignment(slots, open_connection)
        await assigned.assign(ASKED, lambda *_: None)
        assert assigned.worker_id == "w2"
        assert slots.avoided == [(), ("w1",)]

    play(test)


def test_where_the_only_slot_is_out_of_reach_that_is_the_reason_and_not_a_lack_of_slots() -> None:
    async def test() -> None:
        slots = FakeSlots(SLOT)  # Behind it there is none.
        with pytest.raises(WorkerUnreachable, match="w1 is not there"):
            await assignment(slots, unreachable).assign(ASKED, lambda *_: None)

    play(test)


def test_the_second_try_avoids_all_workers_that_are_known_to_be_out_of_reach() -> None:
    async def test() -> None:
        slots = FakeSlots(SLOT, OTHER)
        it = assignment(slots, unreachable, ("w7",))
        with pytest.raises(WorkerUnreachable, match="w2"):
            await it.assign(ASKED, lambda *_: None)
        assert slots.avoided == [(), ("w1", "w7")]

    play(test)
