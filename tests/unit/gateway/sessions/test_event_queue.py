"""What waits for a slow client: order, numbers, what is dropped and what never is."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.checkpoint_record import (
    HEADER,
    VERSION,
    BadCheckpoint,
    Checkpoint,
    CheckpointHeader,
    ContinuityState,
    decode_checkpoint,
    encode_header,
)
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import (
    Event,
    Final,
    Partial,
    ServerError,
    ServerWarning,
    SessionBegin,
    SpeechStart,
    decode_event,
    encode_event,
)
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.change_set import ChangeSet
from gateway.sessions.event_queue import KEEP_S, EventQueue
from runtime.errors import SessionError

BEGIN, SPEECH = SessionBegin(session_id="s"), SpeechStart(timestamp=1.0)


def final(text: str = "") -> Final:
    """A final."""
    return Final(text=text)


def warning(code: str) -> ServerWarning:
    """Any event that is told apart by its code."""
    return ServerWarning(code=code, message="")


def partial(text: str) -> Partial:
    """A partial."""
    return Partial(text=text)


def taken(queue: EventQueue) -> list[Event]:
    """Everything that waits, as it leaves."""
    events = []
    while (pending := queue.pop_nowait()) is not None:
        events.append(pending.event)
    return events


def test_events_leave_in_order_and_are_numbered_from_one() -> None:
    queue = EventQueue(ChangeSet())
    for event in (BEGIN, SPEECH, final()):
        queue.append(event, 10)
    assert [(e.type, e.seq) for e in taken(queue)] == [
        ("session.begin", 1),
        ("vad.speech_start", 2),
        ("transcript.final", 3),
    ]


def test_an_unsent_partial_gives_way_to_the_next_one() -> None:
    queue = EventQueue(ChangeSet())
    for item in (partial("a"), SPEECH, partial("b"), partial("c")):
        queue.append(item, 10)
    assert taken(queue) == [SpeechStart(timestamp=1.0, seq=1), Partial(text="c", seq=2)]
    assert queue.dropped_partials == 2


def test_a_partial_that_has_left_is_no_longer_replaced() -> None:
    queue = EventQueue(ChangeSet())
    queue.append(partial("a"), 10)
    assert len(taken(queue)) == 1
    queue.append(partial("b"), 10)
    assert [e.text for e in taken(queue) if isinstance(e, Partial)] == ["b"]
    assert queue.dropped_partials == 0


def test_partials_without_end_need_no_more_room_than_one() -> None:
    queue = EventQueue(ChangeSet(), max_events=2, max_bytes=1_000)
    queue.append(BEGIN, 10)
    for number in range(10_000):
        queue.append(partial(str(number)), 900)
    assert len(queue) == 2


@pytest.mark.parametrize(("events", "size"), [(3, 1), (1, 100)])
def test_what_nobody_takes_ends_the_session(events: int, size: int) -> None:
    queue = EventQueue(ChangeSet(), max_events=3, max_bytes=150)
    for _ in range(events):
        queue.append(final(), size)
    with pytest.raises(SessionError) as error:
        queue.append(final(), size)
    assert error.value.code is CloseCode.INVALID_REQUEST
    queue.close(ServerError(code="c", message="m", recoverable=False))
    assert taken(queue)[-1].type == "error"


def test_what_was_taken_makes_room() -> None:
    queue = EventQueue(ChangeSet(), max_events=1, max_bytes=100)
    for _ in range(5):
        queue.append(final(), 100)
        assert len(taken(queue)) == 1


def test_taking_waits_for_an_event_and_ends_after_the_last() -> None:
    async def main() -> list[str]:
        queue = EventQueue(ChangeSet())

        async def read() -> list[str]:
            kinds = []
            while (pending := await queue.pop()) is not None:
                kinds.append(pending.event.type)
            return kinds

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        queue.append(BEGIN, 1)
        await asyncio.sleep(0)
        queue.close(final())
        return await reading

    assert asyncio.run(main()) == ["session.begin", "transcript.final"]


STEPS = st.lists(
    st.one_of(
        st.just("partial"),
        st.just("final"),
        st.just("other"),
        st.integers(1, 5),  # so many are taken
    ),
    max_size=60,
)


def made(step: str, number: int, utterance: int) -> Event:
    """An event that says which it is."""
    text = str(number)
    if step == "partial":
        return Partial(text=text, utterance=utterance)
    return Final(text=text, utterance=utterance) if step == "final" else warning(text)


def number_of(event: Event) -> int:
    assert isinstance(event, Partial | Final | ServerWarning)
    return int(event.code if isinstance(event, ServerWarning) else event.text)


@given(STEPS)
def test_nothing_but_partials_is_lost_and_the_order_is_kept(steps: list[str | int]) -> None:
    queue, sent, utterance = EventQueue(ChangeSet()), list[Event](), 0
    received: list[Event] = []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            for _ in range(step):
                pending = queue.pop_nowait()
                if pending is not None:
                    received.append(pending.event)
            continue
        sent.append(made(step, number, utterance))
        utterance += step == "final"
        queue.append(sent[-1], 1)
    received += taken(queue)

    assert [e.seq for e in received] == list(range(1, len(received) + 1))
    numbers = [number_of(e) for e in received]
    assert numbers == sorted(numbers)
    lost = [e for e in sent if number_of(e) not in numbers]
    assert all(isinstance(e, Partial) for e in lost)
    assert len(lost) == queue.dropped_partials
    finals: set[int | None] = set()
    for item in received:
        if isinstance(item, Final):
            finals.add(item.utterance)
        if isinstance(item, Partial):
            assert item.utterance not in finals
    partials = [e for e in sent if isinstance(e, Partial)]
    if partials:
        assert number_of(partials[-1]) in numbers


def left(queue: EventQueue, now: float, *codes: str) -> None:
    """Let events leave at a time."""
    for code in codes:
        queue.append(warning(code), 1)
        pending = queue.pop_nowait()
        assert pending is not None
        queue.record_sent(pending.event, now)


def seqs(data: list[bytes]) -> list[int | None]:
    return [decode_event(each).seq for each in data]


def test_what_was_sent_is_sent_again_to_a_client_that_missed_it() -> None:
    queue = EventQueue(ChangeSet())
    left(queue, 0.0, "a", "b", "c")
    assert seqs(queue.sent_since(1)) == [2, 3]
    assert queue.has_since(0)
    assert queue.has_since(3)


def test_what_was_sent_long_ago_is_not_kept() -> None:
    queue = EventQueue(ChangeSet())
    left(queue, 0.0, "a", "b")
    left(queue, KEEP_S + 1, "c")
    assert not queue.has_since(1)
    assert queue.has_since(2)
    assert seqs(queue.sent_since(2)) == [3]


def test_an_event_of_its_own_goes_ahead_of_what_waits_and_numbers_go_on() -> None:
    queue = EventQueue(ChangeSet())
    left(queue, 0.0, "a")
    queue.append(warning("c"), 1)
    queue.advance_to(5)
    assert decode_event(queue.send_now(warning("now"), 0.0)).seq == 6
    assert [e.seq for e in taken(queue)] == [7]


def stored(changes: ChangeSet) -> Checkpoint:
    """The checkpoint that another gateway finds."""
    header = CheckpointHeader(
        version=VERSION,
        principal="key_1",
        token="0f",
        requested=SessionConfig(),
        config=SessionConfig(),
        first_frame=0,
        ended=False,
        messages=0,
        continuity=ContinuityState(),
    )
    return decode_checkpoint(changes.fields | {HEADER: encode_header(header)})


def test_another_gateway_restores_what_was_sent_and_what_waits() -> None:
    changes = ChangeSet()
    queue = EventQueue(changes)
    left(queue, 0.0, "a", "b")
    for code in ("c", "d"):
        queue.append(warning(code), 1)
    queue.append(partial("gone"), 1)
    again = EventQueue(ChangeSet(dict(changes.fields)))
    again.restore(stored(changes), 9.0)
    assert (again.seq, seqs(again.sent_since(0))) == (2, [1, 2])
    assert [(e.code, e.seq) for e in taken(again) if isinstance(e, ServerWarning)] == [("c", 3), ("d", 4)]


@pytest.mark.parametrize("name", ["e1", "w1"])
@pytest.mark.parametrize("data", [b"", b"{", encode_event(final())[:-2], b'{"type":"unknown"}'])
def test_events_of_another_gateway_that_cannot_be_read_are_refused(name: str, data: bytes) -> None:
    changes = ChangeSet({name: data})
    with pytest.raises(BadCheckpoint):
        EventQueue(changes).restore(stored(changes), 9.0)


def test_nothing_stays_in_the_change_set_of_what_is_not_kept() -> None:
    changes = ChangeSet()
    queue = EventQueue(changes)
    left(queue, 0.0, "a", "b")
    left(queue, KEEP_S + 1, "c")
    assert set(changes.fields) == {"e3"}


def test_a_partial_takes_the_place_of_one_of_its_own_channel_alone() -> None:
    queue = EventQueue(ChangeSet())
    for text, channel in (("left", 0), ("right", 1), ("left again", 0)):
        queue.append(Partial(text=text, channel=channel), 10)
    assert [getattr(event, "text", "") for event in taken(queue)] == ["right", "left again"]
    assert queue.dropped_partials == 1


def test_one_observer_gets_each_event_but_partials_with_its_json() -> None:
    queue, observed = EventQueue(ChangeSet()), list[tuple[Event, bytes]]()
    queue.append(BEGIN, 10)  # Nobody observes yet.
    queue.on_event = lambda *told: observed.append(told)
    for event in (partial("a"), final("b"), partial("c")):
        queue.append(event, 10)
    sent = queue.send_now(warning("now"), 0.0)
    queue.close(ServerError(code="c", message="m", recoverable=False))
    taken(queue)
    assert [event.type for event, _ in observed] == ["transcript.final", "warning", "error"]
    assert [decode_event(data) for _, data in observed] == [event for event, _ in observed]
    assert observed[1][1] == sent
