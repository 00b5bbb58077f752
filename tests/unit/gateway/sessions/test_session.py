"""A session by its port, with a transport that is no WebSocket, and workers and slots played by hand."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import EndCommand, FlushCommand
from dalston_realtime.protocol.events import (
    Event,
    Final,
    Partial,
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    SessionResumed,
)
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import LOCAL_USER, Principal
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.phase import SessionPhase
from gateway.sessions.port import SessionPort
from gateway.sessions.resume_token import is_token_of
from gateway.sessions.session import SessionPolicy
from gateway.sessions.session_manager import SessionManager
from runtime.worker_link import Progress
from tests.support.gateway_parts import (
    SLOT,
    FakeSlots,
    MemoryCheckpoints,
    MemoryWorker,
    checkpoint_store,
    opening,
    session_manager,
)
from tests.support.virtual_time import VirtualClock, pass_time, run_virtually

SECOND = bytes(32_000)


class MemoryTransport:
    """A transport that keeps what the session sends."""

    def __init__(self, port: SessionPort) -> None:
        self.port = port
        self.events: list[Event] = []
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for outgoing in self.port.events():
            self.events.append(outgoing.event)
            self._arrived.set()

    async def until(self, kind: type[Event]) -> Event:
        """The last event, once one of this kind has come."""
        while not self.events or not isinstance(self.events[-1], kind):
            self._arrived.clear()
            await self._arrived.wait()
        return self.events[-1]

    async def leave(self, *, done: bool) -> None:
        """End the connection."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self.port.close(done=done)


Test = Callable[[], Awaitable[None]]


def play(test: Test) -> None:
    """Run a test in no time."""

    async def main(_clock: VirtualClock) -> None:
        async with asyncio.timeout(300):
            await test()

    run_virtually(main)


def phase(manager: SessionManager, port: SessionPort) -> SessionPhase:
    session = manager.find(port.session_id)
    assert session is not None
    return session.phase.current


def test_a_whole_session_over_a_transport_that_is_no_websocket() -> None:
    async def test() -> None:
        worker, slots = MemoryWorker(), FakeSlots(SLOT)
        manager = session_manager(slots, opening(worker))
        me = MemoryTransport(manager.begin(SessionConfig(language="en"), LOCAL_USER))
        assert phase(manager, me.port) is SessionPhase.QUEUED
        await me.port.append_audio(SECOND)
        await worker.until_received(1)
        worker.say(SessionBegin(session_id="any"))
        begin = await me.until(SessionBegin)
        assert isinstance(begin, SessionBegin)
        assert begin == SessionBegin(session_id=me.port.session_id, seq=1, resume_token=begin.resume_token)
        session = manager.find(me.port.session_id)
        assert session is not None
        assert is_token_of(begin.resume_token or "", session.state.token)
        assert (begin.resume_token or "?") not in str(session.state.changes.fields)
        assert phase(manager, me.port) is SessionPhase.RUNNING
        await me.port.handle(FlushCommand(id="f"))
        await me.port.handle('{"type":"nonsense"}')  # a text frame that is no command: the worker answers
        await worker.until_received(3)
        worker.say(Partial(text="one", utterance=1), Final(text="One.", utterance=1, flush_id="f"))
        assert await me.until(Final) == Final(text="One.", utterance=1, flush_id="f", seq=3)
        await me.port.handle(EndCommand())
        await worker.until_received(4)
        worker.say(SessionEnd(transcript="One.", audio_duration=1.0, reason="client_end"))
        outcome = await me.port.ended()
        assert outcome == SessionOutcome(CloseCode.NORMAL)
        ended = await me.until(SessionEnd)
        assert ended.seq == 4
        await me.leave(done=True)
        assert worker.request.session_id == me.port.session_id
        assert worker.request.config.language == "en"
        assert worker.received == [
            SECOND,
            '{"type":"flush","id":"f"}',
            '{"type":"nonsense"}',
            '{"type":"end"}',
        ]
        assert slots.released == ["ended"]
        assert manager.find(me.port.session_id) is None

    play(test)


def test_a_lost_client_and_a_lost_worker_and_both_come_back() -> None:
    async def test() -> None:
        first, second, slots = MemoryWorker(), MemoryWorker(), FakeSlots(SLOT, SLOT)
        manager = session_manager(slots, opening(first, second))
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        first.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await me.port.append_audio(SECOND * 2)
        first.say(Final(text="One.", utterance=1, start=0.0, end=1.0), Progress(processed=1.5))
        await me.until(Final)
        await me.leave(done=False)
        assert phase(manager, me.port) is SessionPhase.DETACHED
        first.leave()
        await second.until_received(2)
        assert second.request.resume is not None
        assert second.request.resume.utterance == 2
        assert second.request.resume.previous_words == ("One.",)
        assert phase(manager, me.port) is SessionPhase.DETACHED
        session = manager.find(me.port.session_id)
        assert session is not None
        again = MemoryTransport(await manager.resume(session, "", 2))
        assert phase(manager, me.port) is SessionPhase.RUNNING
        second.say(SessionBegin(session_id="any"), Final(text="Two.", utterance=2, start=1.0, end=2.0))
        await again.until(Final)
        assert [type(event) for event in again.events] == [SessionResumed, ServerWarning, Final]
        assert [event.seq for event in again.events] == [3, 4, 5]
        second.leave(1000)
        assert (await again.port.ended()).code is CloseCode.NORMAL
        await again.leave(done=True)
        assert slots.avoided == [(), ("w1",)]

    play(test)


def test_a_session_ends_whose_key_holds_no_more() -> None:
    async def test() -> None:
        worker, slots = MemoryWorker(), FakeSlots(SLOT)
        manager = session_manager(slots, opening(worker))
        me = MemoryTransport(manager.begin(SessionConfig(), Principal("key_1", "", frozenset())))
        worker.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        manager.end_withdrawn(lambda principal: principal == "key_1")
        assert phase(manager, me.port) is SessionPhase.RUNNING
        manager.end_withdrawn(lambda _principal: False)
        assert isinstance(await me.until(ServerError), ServerError)
        assert (await me.port.ended()).code is CloseCode.UNAUTHORIZED
        await me.leave(done=False)

    play(test)


@pytest.mark.parametrize(
    ("audio", "connected_s", "window"),
    [(b"", 0.0, 0.0), (b"", 3.1, 0.0), (b"\0", 3.1, 0.0), (SECOND, 0.0, 10.0), (SECOND, 3.1, 30.0)],
)
def test_who_connects_and_breaks_off_holds_no_slot(audio: bytes, connected_s: float, window: float) -> None:
    async def main(clock: VirtualClock) -> None:
        worker, slots = MemoryWorker(), FakeSlots(SLOT)
        manager = session_manager(slots, opening(worker), clock=lambda: clock.now_s)
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        worker.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await me.port.append_audio(audio)
        await asyncio.sleep(connected_s)
        left = clock.now_s
        await me.leave(done=False)
        await me.port.ended()
        assert clock.now_s - left == pytest.approx(window, abs=0.01)
        assert slots.released == ["ended"]

    run_virtually(main)


def test_a_client_that_stays_away_ends_its_session() -> None:
    async def test() -> None:
        worker, slots, checkpoints = MemoryWorker(), FakeSlots(SLOT), MemoryCheckpoints()
        manager = session_manager(slots, opening(worker), store=checkpoint_store(checkpoints))
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        worker.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await me.leave(done=False)
        assert (await me.port.ended()).code is None
        await asyncio.sleep(0)
        assert manager.find(me.port.session_id) is None
        assert slots.released == ["ended"]

    play(test)


def test_a_gateway_that_goes_away_leaves_its_sessions_to_another_one() -> None:
    async def test() -> None:
        worker, slots, checkpoints = MemoryWorker(), FakeSlots(SLOT), MemoryCheckpoints()
        manager = session_manager(slots, opening(worker), store=checkpoint_store(checkpoints))
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        worker.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await me.port.append_audio(SECOND)
        await worker.until_received(1)
        manager.drain()
        outcome = await me.port.detached
        assert outcome.code is CloseCode.RESTARTING
        await me.leave(done=False)
        await me.port.ended()
        assert slots.handed_over == [SessionPolicy().resume_window]
        assert checkpoints.stored[me.port.session_id]["owner"] == b""
        next_worker, next_slots = MemoryWorker(), FakeSlots(SLOT)
        other = session_manager(
            next_slots, opening(next_worker), store=checkpoint_store(checkpoints, "other")
        )
        fields = dict(checkpoints.stored[me.port.session_id])
        del fields["owner"]
        session = await other.take_over(me.port.session_id, fields, "", lambda _state: True)
        assert session is not None
        assert phase(other, me.port) is SessionPhase.FAILING_OVER
        assert checkpoints.stored[session.id]["owner"] == b"other"
        again = MemoryTransport(await other.resume(session, "", 1))
        resumed = await again.until(SessionResumed)
        assert isinstance(resumed, SessionResumed)
        assert resumed.audio_received == 1.0
        await next_worker.until_received(1)
        assert phase(other, me.port) is SessionPhase.RUNNING
        assert next_worker.received == [SECOND]
        await again.leave(done=True)
        await session.ended()

    play(test)


def test_a_session_that_another_gateway_took_is_let_go() -> None:
    async def test() -> None:
        worker, slots, checkpoints = MemoryWorker(), FakeSlots(SLOT), MemoryCheckpoints()
        store = checkpoint_store(checkpoints)
        manager = session_manager(slots, opening(worker), store=store)
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        worker.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await store.save([me.port.session_id])
        checkpoints.stored[me.port.session_id]["owner"] = b"other"
        await me.port.append_audio(SECOND)
        await store.save([me.port.session_id])
        assert (await me.port.ended()).code is CloseCode.RESTARTING
        await me.leave(done=False)
        assert slots.handed_over == [SessionPolicy().claimed_slot]
        assert slots.released == []

    play(test)


@pytest.mark.parametrize(("frame", "counts"), [(b"", False), (b"\0", False), (b"\0\0", True), ("{}", False)])
def test_a_worker_has_to_answer_for_audio_alone(frame: bytes | str, counts: bool) -> None:
    async def test() -> None:
        hangs, slots = MemoryWorker(), FakeSlots(SLOT)
        manager = session_manager(slots, opening(hangs))
        me = MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER))
        hangs.say(SessionBegin(session_id="any"))
        await me.until(SessionBegin)
        await pass_time(1)
        if isinstance(frame, str):
            await me.port.handle(frame)
        else:
            await me.port.append_audio(frame)
        await pass_time(3)
        expected = SessionPhase.FAILING_OVER if counts else SessionPhase.RUNNING
        assert phase(manager, me.port) is expected
        await me.leave(done=True)
        await me.port.ended()

    play(test)


def test_the_lines_of_a_session_carry_its_id_and_no_other() -> None:
    async def test() -> None:
        workers, slots = (MemoryWorker(), MemoryWorker()), FakeSlots(SLOT, SLOT)
        manager = session_manager(slots, opening(*workers))
        transports = [MemoryTransport(manager.begin(SessionConfig(), LOCAL_USER)) for _ in workers]
        for worker in workers:
            worker.say(SessionBegin(session_id="any"))
        for me in transports:
            await me.until(SessionBegin)
            await me.leave(done=True)
            await me.port.ended()
        assert "session" not in structlog.contextvars.get_contextvars()
        names = {me.port.session_id for me in transports}
        ends = [line for line in lines if line["event"] == "ended"]
        assert {line["session"] for line in ends} == names
        assert len(ends) == 2

    structlog.contextvars.clear_contextvars()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        play(test)
