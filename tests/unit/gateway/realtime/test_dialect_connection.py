"""A connection of a dialect, whose workers are played by hand: sessions begin, end and are given back."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from broker.errors import NoCapacity
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Final, SessionBegin, SessionEnd
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import (
    Action,
    Actions,
    AppendAudio,
    ChangeSession,
    CloseClient,
    EndSession,
    FlushSession,
    IdentifyClient,
    say,
)
from gateway.realtime.dialects.dialect import Conversation
from gateway.sessions.outcome import SessionOutcome
from runtime.worker_link import Progress
from tests.support.dialect_clients import DialectClient, OpenGate, connected
from tests.support.gateway_parts import SLOT, FakeSlots, MemoryWorker, opening, session_manager
from tests.support.virtual_time import pass_time, run_virtually

SECOND = bytes(32_000)


class PlainConversation(Conversation):
    """Finals are said as they come; messages name what is wanted."""

    idle_s = 30.0

    def greet(self) -> Actions:
        """Say hello."""
        return [say({"hello": True})]

    def receive(self, frame: bytes | str) -> Actions:
        """Audio, or a wish."""
        if isinstance(frame, bytes):
            return [AppendAudio(frame)]
        message = msgspec.json.decode(frame)
        wishes: dict[str, Action] = {
            "flush": FlushSession(message.get("id", "")),
            "end": EndSession(),
            "identify": IdentifyClient(message.get("key")),
            "change": ChangeSession(SessionConfig(**message.get("config", {}))),
        }
        return [wishes[message["wish"]]]

    def translate(self, event: Event) -> Actions:
        """Finals alone."""
        if not isinstance(event, Final):
            return []
        return [say({"text": event.text, "start": event.start, "id": event.flush_id})]

    def reject(self, error: InvalidParameter) -> Actions:
        """Say why."""
        return [say({"wrong": error.param})]

    def conclude(self, outcome: SessionOutcome) -> Actions:
        """Say goodbye."""
        return [say({"bye": outcome.name}), CloseClient(int(outcome.code or 0), outcome.name)]


class DialectRoom:
    """A client, its connection, and the workers that its sessions get in turn."""

    def __init__(self, workers: int = 2, slots: FakeSlots | None = None) -> None:
        self.client = DialectClient()
        self.workers = [MemoryWorker() for _ in range(workers)]
        self.slots = slots or FakeSlots(*[SLOT] * workers)
        self.gate = OpenGate(session_manager(self.slots, opening(*self.workers)), unknown=("none",))

    async def hears(self, number: int, *frames: bytes | dict[str, Any]) -> MemoryWorker:
        """The client says something, and the worker gets it; the worker begins where it has not."""
        worker = self.workers[number]
        before = len(worker.received)
        self.client.say(*frames)
        await worker.until_received(before + len(frames))
        return worker

    def run(self, story: Coroutine[Any, Any, None]) -> None:
        """Play a story on a clock that jumps."""

        async def main(_clock: object) -> None:
            serving = asyncio.create_task(connected(self.client, PlainConversation(), self.gate).serve())
            async with asyncio.timeout(120):
                await story
                await serving

        run_virtually(main)


def begin(worker: MemoryWorker) -> None:
    worker.say(SessionBegin(session_id="x", model="tiny"))


def finish(worker: MemoryWorker) -> None:
    """The worker has said all."""
    worker.say(SessionEnd(session_id="x", transcript="", audio_duration=1.0))
    worker.leave(1000)


def test_a_session_begins_with_audio_and_ends_with_the_last_words() -> None:
    room = DialectRoom()

    async def story() -> None:
        await room.client.until_told(1)
        assert room.slots.avoided == []  # Who waits holds no slot.
        worker = await room.hears(0, SECOND)
        begin(worker)
        worker.say(Final(text="one", start=0.1))
        await room.client.until_told(2)
        await room.hears(0, {"wish": "flush", "id": "a"})
        worker.say(Final(text="two", start=0.6, flush_id="a"))
        await room.hears(0, {"wish": "end"})
        worker.say(Final(text="three", start=0.9))
        finish(worker)

    room.run(story())
    assert room.client.told == [
        {"hello": True},
        {"text": "one", "start": 0.1, "id": None},
        {"text": "two", "start": 0.6, "id": "a"},
        {"text": "three", "start": 0.9, "id": None},
        {"bye": "normal"},
    ]
    assert room.client.closed == (1000, "normal")


def test_audio_that_stops_coming_is_finalized_and_then_the_slot_is_given_back() -> None:
    room = DialectRoom()

    async def story() -> None:
        first = await room.hears(0, SECOND)
        begin(first)
        await first.until_received(2)
        assert first.received[1] == '{"type":"flush","id":"wall-clock"}'
        first.say(Final(text="one", start=0.1, flush_id="wall-clock"), Progress(processed=1.0))
        await first.until_received(3)
        assert first.received[2] == '{"type":"end"}'
        finish(first)
        await pass_time(1.0)
        assert room.slots.released == ["ended"]
        second = await room.hears(1, SECOND)
        begin(second)
        second.say(Final(text="two", start=0.25))
        await room.client.until_told(3)
        await room.hears(1, {"wish": "end"})
        finish(second)

    room.run(story())
    assert room.client.told[1:3] == [
        {"text": "one", "start": 0.1, "id": None},
        {"text": "two", "start": 1.25, "id": None},  # The clock goes on over both sessions.
    ]


def test_an_empty_answer_to_the_wall_clock_is_not_told() -> None:
    room = DialectRoom()

    async def story() -> None:
        worker = await room.hears(0, SECOND)
        begin(worker)
        await worker.until_received(2)
        worker.say(Final(text="", flush_id="wall-clock"))
        await room.hears(0, {"wish": "end"})
        finish(worker)

    room.run(story())
    assert room.client.told == [{"hello": True}, {"bye": "normal"}]


def test_a_flush_without_a_session_is_answered() -> None:
    room = DialectRoom()

    async def story() -> None:
        room.client.say({"wish": "flush", "id": "a"}, {"wish": "flush", "id": "b"}, {"wish": "end"})

    room.run(story())
    assert [each.get("id") for each in room.client.told] == [None, "a", "b", None]
    assert room.slots.avoided == []


def test_parameters_change_in_a_session_or_with_another_one() -> None:
    room = DialectRoom()

    async def story() -> None:
        first = await room.hears(0, SECOND, {"wish": "change", "config": {"min_silence_ms": 500}})
        begin(first)
        assert first.received[1] == '{"type":"config","min_silence_ms":500}'
        await room.hears(0, {"wish": "change", "config": {"sample_rate": 8000}})
        assert first.received[2] == '{"type":"end"}'
        first.say(Final(text="one"))
        finish(first)
        second = await room.hears(1, SECOND)
        begin(second)
        assert second.request.config.sample_rate == 8000
        room.client.say({"wish": "change", "config": {"model": "none"}}, {"wish": "end"})
        await second.until_received(2)
        finish(second)

    room.run(story())
    assert room.client.told[-2:] == [{"wrong": "model"}, {"bye": "normal"}]


def test_the_end_of_a_session_by_the_server_is_told_in_the_words_of_the_dialect() -> None:
    room = DialectRoom(slots=FakeSlots(NoCapacity("all slots are taken", 7.0)))

    async def story() -> None:
        room.client.say(SECOND)

    room.run(story())
    assert room.client.told[-1] == {"bye": "no_capacity"}
    assert room.client.closed == (CloseCode.NO_CAPACITY, "no_capacity")


def test_a_client_that_says_nothing_is_told_to_go() -> None:
    room = DialectRoom()
    room.run(pass_time(29.0))
    assert room.client.closed == (CloseCode.IDLE_TIMEOUT, "idle_timeout")


def test_what_a_client_said_before_it_left_is_finalized() -> None:
    room = DialectRoom()

    async def story() -> None:
        worker = await room.hears(0, SECOND)
        begin(worker)
        room.client.leave()
        await worker.until_received(2)
        assert worker.received[1] == '{"type":"end"}'
        finish(worker)

    room.run(story())
    assert room.slots.released == ["ended"]


def test_a_frame_that_is_too_large_ends_the_conversation() -> None:
    room = DialectRoom()

    async def story() -> None:
        room.client.say(bytes(PlainConversation.max_frame + 1))

    room.run(story())
    assert room.client.closed == (CloseCode.INVALID_REQUEST, "invalid_request")


@pytest.mark.parametrize(("key", "said"), [("bad", "unauthorized"), ("used", "too_many_sessions")])
def test_a_key_that_came_late_and_may_not_ends_the_conversation(key: str, said: str) -> None:
    room = DialectRoom()

    async def story() -> None:
        room.client.say({"wish": "identify", "key": "good"}, {"wish": "identify", "key": key}, SECOND)

    room.run(story())
    assert room.client.told[-1] == {"bye": said}
    assert room.slots.avoided == []


def test_a_client_that_breaks_the_protocol_of_websockets_is_told() -> None:
    room = DialectRoom()

    async def story() -> None:
        room.client.leave(1009, broken=True, reason="a message that is too long")

    room.run(story())
    assert room.client.closed == (CloseCode.INVALID_REQUEST, "invalid_request")
