"""Checks that events come out in order, bounded, and with the failure behind the last one."""

import asyncio

import pytest

from dalston_realtime.client import Event
from dalston_realtime.client.connection.event_inbox import EventInbox
from dalston_realtime.protocol.events import Final, Partial
from tests.support.client_sessions import received
from tests.support.managed_process import DEADLINE_S


async def drain(inbox: EventInbox) -> list[Event]:
    taken = []
    while (item := await inbox.next()) is not None:
        taken.append(item.event)
    return taken


def test_events_come_out_in_order_and_then_the_end() -> None:
    inbox = EventInbox()
    events: list[Partial | Final] = [Partial(text="a"), Final(text="b")]
    for event in events:
        inbox.append(received(event))
    inbox.close(None)

    assert asyncio.run(drain(inbox)) == events


def test_the_failure_comes_behind_the_last_event_and_stays() -> None:
    async def play() -> None:
        inbox = EventInbox()
        inbox.append(received(Final(text="a")))
        inbox.close(KeyError("gone"))
        assert await inbox.next() == received(Final(text="a"))
        for _ in range(2):
            with pytest.raises(KeyError):
                await inbox.next()

    asyncio.run(play())


def test_who_waits_is_woken() -> None:
    async def play() -> None:
        inbox = EventInbox()
        waiting = asyncio.create_task(drain(inbox))
        await asyncio.sleep(0)
        inbox.append(received(Final(text="a")))
        inbox.close(None)
        assert await asyncio.wait_for(waiting, DEADLINE_S) == [Final(text="a")]

    asyncio.run(play())


def test_a_backlog_leaves_out_partials_and_no_final() -> None:
    inbox = EventInbox(limit=3)
    for number in range(6):
        inbox.append(received(Partial(text=str(number))))
    inbox.append(received(Final(text="said")))
    inbox.close(None)

    taken = asyncio.run(drain(inbox))

    assert taken == [*(Partial(text=str(number)) for number in range(3)), Final(text="said")]
