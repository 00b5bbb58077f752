"""What waits for a slow client: order, numbers, what is dropped and what never is."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.event_queue import KEEP_S, EventQueue
from runtime.errors import SessionError


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """An event of the protocol."""
    return {"type": kind, **fields}


def partial(text: str) -> dict[str, Any]:
    """A partial."""
    return event("transcript.partial", text=text)


def taken(outbox: EventQueue) -> list[dict[str, Any]]:
    """Everything that waits, as it leaves."""
    events = []
    while (queued := outbox.take_nowait()) is not None:
        events.append(queued.event)
    return events


def test_events_leave_in_order_and_are_numbered_from_one() -> None:
    outbox = EventQueue(ChangeSet())
    for kind in ("session.begin", "vad.speech_start", "transcript.final"):
        outbox.put(event(kind), 10)
    assert [(e["type"], e["seq"]) for e in taken(outbox)] == [
        ("session.begin", 1),
        ("vad.speech_start", 2),
        ("transcript.final", 3),
    ]


def test_an_unsent_partial_gives_way_to_the_next_one() -> None:
    outbox = EventQueue(ChangeSet())
    for item in (partial("a"), event("vad.speech_start"), partial("b"), partial("c")):
        outbox.put(item, 10)
    assert taken(outbox) == [
        {"type": "vad.speech_start", "seq": 1},
        {"type": "transcript.partial", "text": "c", "seq": 2},
    ]
    assert outbox.dropped_partials == 2


def test_a_partial_that_has_left_is_no_longer_replaced() -> None:
    outbox = EventQueue(ChangeSet())
    outbox.put(partial("a"), 10)
    assert len(taken(outbox)) == 1
    outbox.put(partial("b"), 10)
    assert [e["text"] for e in taken(outbox)] == ["b"]
    assert outbox.dropped_partials == 0


def test_partials_without_end_need_no_more_room_than_one() -> None:
    outbox = EventQueue(ChangeSet(), max_events=2, max_bytes=1_000)
    outbox.put(event("session.begin"), 10)
    for number in range(10_000):
        outbox.put(partial(str(number)), 900)
    assert len(outbox) == 2


@pytest.mark.parametrize(("events", "size"), [(3, 1), (1, 100)])
def test_what_nobody_takes_ends_the_session(events: int, size: int) -> None:
    outbox = EventQueue(ChangeSet(), max_events=3, max_bytes=150)
    for _ in range(events):
        outbox.put(event("transcript.final"), size)
    with pytest.raises(SessionError) as error:
        outbox.put(event("transcript.final"), size)
    assert error.value.code is CloseCode.INVALID_REQUEST
    outbox.end(event("error"))
    assert [e["type"] for e in taken(outbox)][-1] == "error"


def test_what_was_taken_makes_room() -> None:
    outbox = EventQueue(ChangeSet(), max_events=1, max_bytes=100)
    for _ in range(5):
        outbox.put(event("transcript.final"), 100)
        assert len(taken(outbox)) == 1


def test_taking_waits_for_an_event_and_ends_after_the_last() -> None:
    async def main() -> list[Any]:
        outbox = EventQueue(ChangeSet())

        async def read() -> list[Any]:
            kinds = []
            while (queued := await outbox.take()) is not None:
                kinds.append(queued.event["type"])
            return kinds

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        outbox.put(event("a"), 1)
        await asyncio.sleep(0)
        outbox.end(event("b"))
        return await reading

    assert asyncio.run(main()) == ["a", "b"]


STEPS = st.lists(
    st.one_of(
        st.just("partial"),
        st.just("final"),
        st.just("other"),
        st.integers(1, 5),  # so many are taken
    ),
    max_size=60,
)


@given(STEPS)
def test_nothing_but_partials_is_lost_and_the_order_is_kept(steps: list[str | int]) -> None:
    outbox, sent, received, utterance = EventQueue(ChangeSet()), [], [], 0
    for number, step in enumerate(steps):
        if isinstance(step, int):
            for _ in range(step):
                queued = outbox.take_nowait()
                if queued is not None:
                    received.append(queued.event)
            continue
        item = event(f"transcript.{step}", number=number, utterance=utterance)
        utterance += step == "final"
        sent.append(item)
        outbox.put(item, 1)
    received += taken(outbox)

    assert [e["seq"] for e in received] == list(range(1, len(received) + 1))
    assert [e["number"] for e in received] == sorted(e["number"] for e in received)
    lost = [e for e in sent if e not in received]
    assert all(e["type"] == "transcript.partial" for e in lost)
    assert len(lost) == outbox.dropped_partials
    finals: set[int] = set()
    for item in received:
        if item["type"] == "transcript.final":
            finals.add(item["utterance"])
        if item["type"] == "transcript.partial":
            assert item["utterance"] not in finals
    partials = [e for e in sent if e["type"] == "transcript.partial"]
    if partials:
        assert partials[-1] in received


def left(outbox: EventQueue, now: float, *kinds: str) -> None:
    """Let events leave at a time."""
    for kind in kinds:
        outbox.put(event(kind), 1)
        queued = outbox.take_nowait()
        assert queued is not None
        outbox.sent(queued, now)


def seqs(data: list[bytes]) -> list[int]:
    return [orjson.loads(each)["seq"] for each in data]


def test_what_has_left_is_sent_again_to_a_client_that_missed_it() -> None:
    outbox = EventQueue(ChangeSet())
    left(outbox, 0.0, "a", "b", "c")
    assert seqs(outbox.since(1)) == [2, 3]
    assert outbox.has_since(0)
    assert outbox.has_since(3)


def test_what_has_left_long_ago_is_not_kept() -> None:
    outbox = EventQueue(ChangeSet())
    left(outbox, 0.0, "a", "b")
    left(outbox, KEEP_S + 1, "c")
    assert not outbox.has_since(1)
    assert outbox.has_since(2)
    assert seqs(outbox.since(2)) == [3]


def test_an_event_of_its_own_goes_ahead_of_what_waits_and_numbers_go_on() -> None:
    outbox = EventQueue(ChangeSet())
    left(outbox, 0.0, "a")
    outbox.put(event("c"), 1)
    outbox.skip_to(5)
    assert orjson.loads(outbox.leave(event("session.resumed"), 0.0))["seq"] == 6
    assert [e["seq"] for e in taken(outbox)] == [7]


def test_another_gateway_restores_what_was_sent_and_what_waits() -> None:
    ledger = ChangeSet()
    outbox = EventQueue(ledger)
    left(outbox, 0.0, "a", "b")
    for kind in ("c", "d"):
        outbox.put(event(kind), 1)
    outbox.put(partial("gone"), 1)
    again = EventQueue(ChangeSet(dict(ledger.fields)))
    again.restore(9.0)
    assert (again.seq, seqs(again.since(0))) == (2, [1, 2])
    assert [(e["type"], e["seq"]) for e in taken(again)] == [("c", 3), ("d", 4)]


def test_nothing_stays_in_the_ledger_of_what_is_not_kept() -> None:
    ledger = ChangeSet()
    outbox = EventQueue(ledger)
    left(outbox, 0.0, "a", "b")
    left(outbox, KEEP_S + 1, "c")
    assert set(ledger.fields) == {"e3"}
