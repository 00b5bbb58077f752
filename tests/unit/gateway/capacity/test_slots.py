"""Slots by the overflow strategy, with a router that is played by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation, QueuePosition, SlotRequest
from broker.store.announcements import ListenerConnected, SlotsChanged, WorkerOffline, read
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.announcements import WorkerLost
from gateway.capacity.slots import QueueLimits, SlotManager
from gateway.metrics import GatewayMetrics
from runtime.errors import SessionError
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

SLOT = Allocation("w1", "ws://x", "tiny", "fast")
Answer = Allocation | QueuePosition | Exception


class FakeRouter:
    """A router whose next answers are set by hand; the last one of each stays."""

    def __init__(self, *answers: Answer, positions: Iterable[QueuePosition | Exception | None] = ()) -> None:
        self.answers, self.positions = list(answers), list(positions)
        self.looks: list[list[str]] = []
        self.avoided: list[Any] = []
        self.asked: list[SlotRequest] = []
        self.left: list[str] = []
        self.renewed: list[tuple[list[str], float]] = []

    async def allocate(self, _session: str, wanted: SlotRequest, avoid: Any) -> Allocation | QueuePosition:
        """The next answer."""
        self.asked.append(wanted)
        self.avoided.append(avoid)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def keep_waiting(self, sessions: Iterable[str]) -> dict[str, QueuePosition]:
        """The next position, for all of them; None: they have none."""
        self.looks.append(list(sessions))
        position = self.positions.pop(0) if len(self.positions) > 1 else self.positions[0]
        if isinstance(position, Exception):
            raise position
        return {} if position is None else dict.fromkeys(self.looks[-1], position)

    async def leave(self, session_id: str) -> bool:
        """Note that it left."""
        self.left.append(session_id)
        return True

    async def retry_after(self) -> float:
        """Any."""
        return 7.0

    async def renew(self, sessions: list[str], seconds: float) -> set[str]:
        """Note it."""
        self.renewed.append((sessions, seconds))
        return set()


def play(router: Any, test: Callable[[SlotManager], Awaitable[None]], timeout: float = 30.0) -> None:
    """Run a test, in no time, on slots whose overflow strategy is `queue`."""

    async def main(_clock: VirtualClock) -> None:
        slots = SlotManager(router, GatewayMetrics(), "queue", QueueLimits(timeout))
        running = asyncio.create_task(slots.run())
        async with asyncio.timeout(60):
            await test(slots)
            await slots.wait_settled(1)
        running.cancel()
        await asyncio.wait([running])

    run_virtually(main)


def test_every_change_is_told_and_trouble_is_waited_out() -> None:
    told: list[tuple[int, float | None]] = []
    away = RegistryUnavailable("away")
    waits = (None, 5.0, 5.9, 4.1, 6.0, 5.5)
    positions: list[QueuePosition | Exception | None] = [
        *(QueuePosition(2, wait) for wait in waits),
        away,
        QueuePosition(1, 5.5),
        QueuePosition(1, None),
        QueuePosition(1, None, has_slot=True),
    ]
    router = FakeRouter(QueuePosition(2, None), SLOT, positions=positions)

    async def main(slots: SlotManager) -> None:
        slot = await slots.allocate("s", SessionConfig(), on_queued=lambda *event: told.append(event))
        assert slot == SLOT

    play(router, main)
    assert told == [(2, None), (2, 5.0), (2, 6.0), (1, 5.5), (1, None)]
    assert router.left == []
    assert len(router.asked) == 2  # It asks only when it has a slot.


def test_who_waits_too_long_leaves_the_queue() -> None:
    router = FakeRouter(QueuePosition(1, None), positions=[QueuePosition(1, None)])

    async def main(slots: SlotManager) -> None:
        with pytest.raises(NoCapacity) as refused:
            await slots.allocate("s", SessionConfig())
        assert refused.value.retry_after == 7.0

    play(router, main, timeout=0.0)
    assert router.left == ["s"]


def test_who_goes_leaves_the_queue_and_an_announcement_wakes_whom_it_names() -> None:
    router = FakeRouter(QueuePosition(1, None), positions=[QueuePosition(1, None)])

    async def main(slots: SlotManager) -> None:
        queued: asyncio.Queue[int] = asyncio.Queue()
        waiting = asyncio.create_task(
            slots.allocate("s", SessionConfig(), on_queued=lambda position, _: queued.put_nowait(position))
        )
        assert await queued.get() == 1
        router.answers = [QueuePosition(3, None)]
        slots.queue.on_slots_changed(["another", "s"])
        assert await queued.get() == 3
        waiting.cancel()
        await asyncio.wait([waiting])

    play(router, main)
    assert router.left == ["s"]


def test_many_that_wait_are_one_call_a_second_and_a_wake_up_is_one_more() -> None:
    router = FakeRouter(QueuePosition(1, None), positions=[QueuePosition(1, None)])

    async def main(slots: SlotManager) -> None:
        names = [f"s{number}" for number in range(50)]
        waiting = [asyncio.create_task(slots.allocate(name, SessionConfig())) for name in names]
        await pass_time(4.5)
        assert (len(router.asked), len(router.looks)) == (50, 4)
        assert sorted(router.looks[-1]) == sorted(names)
        router.answers = [SLOT]
        slots.queue.on_slots_changed(["s7"])
        assert await waiting[7] == SLOT
        assert len(router.asked) == 51
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    play(router, main)


def test_who_has_lost_its_position_asks_for_another_one() -> None:
    router = FakeRouter(QueuePosition(1, None), SLOT, positions=[None])

    async def main(slots: SlotManager) -> None:
        assert await slots.allocate("s", SessionConfig()) == SLOT

    play(router, main)


def test_an_announcement_that_names_nobody_is_looked_up_at_once() -> None:
    has_slot = QueuePosition(1, None, has_slot=True)
    router = FakeRouter(QueuePosition(1, None), SLOT, positions=[has_slot])

    async def main(slots: SlotManager) -> None:
        waiting = asyncio.create_task(slots.allocate("s", SessionConfig()))
        await pass_time(0.5)
        slots.queue.on_slots_changed()
        async with asyncio.timeout(0.1):
            assert await waiting == SLOT

    play(router, main)


@pytest.mark.parametrize(
    ("config", "running", "wanted"),
    [
        (SessionConfig(), False, SlotRequest(overflow="queue")),
        (SessionConfig(overflow="reject"), True, SlotRequest(overflow="reject", first=True)),
        (
            SessionConfig(model="accurate", language="en", word_timestamps=True, vocabulary=("x",)),
            False,
            SlotRequest("accurate", "en", ("word_timestamps", "vocabulary"), "queue"),
        ),
    ],
)
def test_what_is_asked_for(config: SessionConfig, running: bool, wanted: SlotRequest) -> None:
    router = FakeRouter(SLOT)

    async def main(slots: SlotManager) -> None:
        await slots.allocate("s", config, running=running)

    play(router, main)
    assert router.asked == [wanted]


def test_a_slot_that_is_handed_over_is_held_a_while_longer() -> None:
    router = FakeRouter(SLOT)

    async def main(slots: SlotManager) -> None:
        await slots.allocate("s", SessionConfig())
        slots.hand_over("s", 30.0)

    play(router, main)
    assert router.renewed == [(["s"], 30.0)]


def test_who_wants_to_know_of_a_worker_is_told_and_nobody_else() -> None:
    lost, told = WorkerLost(), list[str]()
    stop = lost.subscribe("w1", lambda: told.append("a"))
    lost.subscribe("w1", lambda: told.append("b"))
    lost.subscribe("w2", lambda: told.append("c"))
    lost.announce("w1")
    lost.announce("w3")
    assert sorted(told) == ["a", "b"]
    stop()
    stop()
    lost.announce("w1")
    assert sorted(told) == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("message", "announcement"),
    [
        ({"type": "subscribe", "data": 1}, ListenerConnected()),
        ({"type": "message", "data": "offline w 1"}, WorkerOffline("w 1")),
        ({"type": "message", "data": "places"}, SlotsChanged()),
        ({"type": "message", "data": "places a b"}, SlotsChanged(("a", "b"))),
        ({"type": "message", "data": "offline"}, None),
        ({"type": "message", "data": "news"}, None),
        ({"type": "pong", "data": ""}, None),
    ],
)
def test_announcements_are_read(message: dict[str, Any], announcement: object) -> None:
    assert read(message) == announcement


def test_what_goes_wrong_with_one_session_that_waits_ends_that_one_alone() -> None:
    router = FakeRouter(QueuePosition(9, None), positions=[QueuePosition(8, None), QueuePosition(7, None)])

    def fail(position: int, _wait: float | None) -> None:
        if position == 8:
            raise SessionError(CloseCode.INVALID_REQUEST, "the client does not read its results")

    async def main(slots: SlotManager) -> None:
        told: asyncio.Queue[int] = asyncio.Queue()
        other = asyncio.create_task(
            slots.allocate("other", SessionConfig(), on_queued=lambda position, _: told.put_nowait(position))
        )
        with pytest.raises(SessionError):
            await slots.allocate("s", SessionConfig(), on_queued=fail)
        assert [await told.get() for _ in range(3)] == [9, 8, 7]
        other.cancel()
        await asyncio.wait([other])

    play(router, main)
    assert sorted(router.left) == ["other", "s"]


def test_a_running_session_that_waits_takes_the_worker_that_it_has_lost_when_that_is_back() -> None:
    answers: list[Answer] = [
        QueuePosition(1, None),
        RegistryUnavailable("away"),
        QueuePosition(1, None),
        SLOT,
    ]
    positions = [*[QueuePosition(1, None, is_served=False)] * 5, QueuePosition(1, None, has_slot=True)]
    router = FakeRouter(*answers, positions=positions)

    async def main(slots: SlotManager) -> None:
        assert await slots.allocate("s", SessionConfig(), ("w1",), running=True) == SLOT

    play(router, main)
    assert router.avoided == [("w1",), (), (), ()]


def test_a_newcomer_that_waits_goes_on_to_avoid_the_worker_that_it_could_not_reach() -> None:
    positions = [QueuePosition(1, None), QueuePosition(1, None, has_slot=True)]
    router = FakeRouter(QueuePosition(1, None), SLOT, positions=positions)

    async def main(slots: SlotManager) -> None:
        assert await slots.allocate("s", SessionConfig(), ("w1",)) == SLOT

    play(router, main)
    assert router.avoided == [("w1",), ("w1",)]
