"""Events in, events out, bounded."""

import asyncio

import pytest

from dalston_realtime.client.connection.event_inbox import MAX_WAITING, EventInbox
from dalston_realtime.client.events import Event, Final, Partial


async def drain(inbox: EventInbox) -> list[Event]:
    taken = []
    while (event := await inbox.get()) is not None:
        taken.append(event)
    return taken


def test_events_come_out_in_order_and_then_the_end() -> None:
    inbox = EventInbox()
    events: list[Event] = [Partial(text="a"), Final(text="b")]
    for event in events:
        inbox.put(event)
    inbox.close(None)

    assert asyncio.run(drain(inbox)) == events


def test_the_failure_comes_behind_the_last_event_and_stays() -> None:
    async def play() -> None:
        inbox = EventInbox()
        inbox.put(Final(text="a"))
        inbox.close(KeyError("gone"))
        assert await inbox.get() == Final(text="a")
        for _ in range(2):
            with pytest.raises(KeyError):
                await inbox.get()

    asyncio.run(play())


def test_who_waits_is_woken() -> None:
    async def play() -> None:
        inbox = EventInbox()
        waiting = asyncio.create_task(drain(inbox))
        await asyncio.sleep(0)
        inbox.put(Final(text="a"))
        inbox.close(None)
        assert await asyncio.wait_for(waiting, 5) == [Final(text="a")]

    asyncio.run(play())


def test_a_backlog_leaves_out_partials_and_no_final() -> None:
    inbox = EventInbox()
    for number in range(2 * MAX_WAITING):
        inbox.put(Partial(text=str(number)))
    inbox.put(Final(text="said"))
    inbox.close(None)

    taken = asyncio.run(drain(inbox))

    assert len(taken) == MAX_WAITING + 1
    assert taken[-1] == Final(text="said")
