"""What clients send while they wait for a slot: each keeps so many bytes, and all together so many."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from broker.records import Allocation
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import KeepaliveCommand
from dalston_realtime.protocol.events import ServerError, SessionBegin
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import LOCAL_USER
from gateway.capacity.waiting_memory import ENTRY_BYTES, WaitingLimits, WaitingMemory
from gateway.sessions.session_manager import SessionManager
from tests.support.gateway_parts import SLOT, FakeSlots, MemoryWorker, opening, session_manager

FRAME = bytes(4_096)
COST = len(FRAME) + ENTRY_BYTES


class QueuedSlots(FakeSlots):
    """Slots for which each session waits, until the test gives one."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    async def allocate(self, *_asked: object, on_queued: Callable[..., None], **_more: object) -> Allocation:  # type: ignore[override]
        """Wait in the queue."""
        on_queued(1, None)
        self.waiting.append(asyncio.get_running_loop().create_future())
        await self.waiting[-1]
        return SLOT


def play(
    limits: WaitingLimits, test: Callable[[SessionManager, QueuedSlots, WaitingMemory], Awaitable[None]]
) -> None:
    async def main() -> None:
        slots, memory = QueuedSlots(), WaitingMemory(limits)
        manager = session_manager(slots, opening(MemoryWorker(), MemoryWorker()), waiting=memory)
        async with asyncio.timeout(30):
            await test(manager, slots, memory)

    asyncio.run(main())


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_audio", [True, False])
def test_a_client_that_waits_is_not_read_beyond_its_bytes(is_audio: bool) -> None:
    async def test(manager: SessionManager, slots: QueuedSlots, memory: WaitingMemory) -> None:
        port = manager.begin(SessionConfig(sample_rate=192_000, channels=8), LOCAL_USER)

        async def flood() -> None:
            for _ in range(10):
                await (port.append_audio(FRAME) if is_audio else port.handle("x" * len(FRAME)))

        flooding = asyncio.create_task(flood())
        await turns()
        assert memory.used == 3 * COST
        slots.waiting[0].set_result(None)
        await turns()
        assert memory.used == 0  # A worker has it: what waits is not counted any more, and reading goes on.
        assert flooding.done()

    play(WaitingLimits(session=2 * COST + 1), test)


def test_where_all_of_it_is_full_nobody_begins_to_wait_and_those_who_wait_are_paused() -> None:
    async def test(manager: SessionManager, slots: QueuedSlots, memory: WaitingMemory) -> None:
        first, second = (manager.begin(SessionConfig(), LOCAL_USER) for _ in range(2))
        await turns()
        await first.append_audio(FRAME)
        await first.append_audio(FRAME)
        paused = asyncio.create_task(second.append_audio(FRAME))
        third = manager.begin(SessionConfig(), LOCAL_USER)
        outcome = await third.ended()
        assert outcome.code is CloseCode.NO_CAPACITY
        assert isinstance(outcome.event, ServerError)
        assert outcome.event.retry_after == 5.0
        await turns()
        assert not paused.done()
        first.close(done=True)
        await paused
        await turns()
        assert memory.used == COST  # That of the second alone.
        second.close(done=True)
        await second.ended()
        assert memory.used == 0

    play(WaitingLimits(total=2 * COST), test)


def test_a_session_with_a_slot_needs_nothing_of_it() -> None:
    async def main() -> None:
        worker, memory = MemoryWorker(), WaitingMemory(WaitingLimits(total=1))
        memory.open_share(lambda: None).count(1)
        manager = session_manager(FakeSlots(SLOT), opening(worker), waiting=memory)
        port = manager.begin(SessionConfig(), LOCAL_USER)
        worker.say(SessionBegin(session_id="any"))
        async with asyncio.timeout(30):
            await port.append_audio(FRAME)
            await port.handle(KeepaliveCommand())
            await worker.until_received(2)

    asyncio.run(main())
