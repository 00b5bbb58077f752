"""A session lasts as long as the token with which it was begun allows, whatever gateway has it."""

import asyncio
from collections.abc import Awaitable, Callable

from broker.checkpoint_record import decode_checkpoint
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import SessionBegin
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import Principal
from gateway.sessions.state import SessionState
from tests.support.gateway_parts import SLOT, FakeSlots, MemoryWorker, opening, session_manager
from tests.support.virtual_time import VirtualClock, run_virtually

BRIEF_S = 20
USED_S = 15
BRIEF = Principal("key_1", "web", frozenset({"transcribe"}), is_token=True, session_seconds=BRIEF_S)


def ready() -> MemoryWorker:
    """A worker that has begun a session."""
    worker = MemoryWorker()
    worker.say(SessionBegin(session_id="any"))
    return worker


def play(test: Callable[[VirtualClock], Awaitable[None]]) -> None:
    """Run a test in no time."""

    async def main(clock: VirtualClock) -> None:
        async with asyncio.timeout(300):
            await test(clock)

    run_virtually(main)


def test_the_session_of_a_token_ends_in_its_time() -> None:
    async def test(clock: VirtualClock) -> None:
        begun = clock.now_s
        port = session_manager(FakeSlots(SLOT), opening(ready())).begin(SessionConfig(), BRIEF)
        outcome = await port.ended()
        assert (outcome.code, round(clock.now_s - begun)) == (CloseCode.SESSION_TOO_LONG, BRIEF_S)
        assert outcome.event is not None
        assert "its token allows" in outcome.event.message
        port.close(done=True)

    play(test)


def test_the_sessions_of_a_connection_have_its_time_together() -> None:
    async def test(clock: VirtualClock) -> None:
        manager = session_manager(FakeSlots(SLOT), opening(ready()))
        lease = await manager.reserve(BRIEF, is_shared=True)
        await asyncio.sleep(USED_S)
        begun = clock.now_s
        port = manager.begin(SessionConfig(), BRIEF, lease, resumable=False)
        assert port.session_id != lease.id
        assert (await port.ended()).code is CloseCode.SESSION_TOO_LONG
        assert round(clock.now_s - begun) == BRIEF_S - USED_S
        port.close(done=True)

    play(test)


def test_another_gateway_knows_how_long_it_may_last_and_for_whom_it_counts() -> None:
    state = SessionState.new("s", SessionConfig(), lambda: 0.0, account="address:192.0.2.1", max_seconds=20.0)
    state.snapshot()
    found = SessionState.restore("s", decode_checkpoint({**state.changes.fields, "owner": b""}), 0.0)
    assert (found.account, found.max_seconds) == ("address:192.0.2.1", 20.0)
