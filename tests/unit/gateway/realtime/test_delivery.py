"""How the events of a session reach a client, however slowly it reads."""

import asyncio
from typing import Any

import pytest

from broker.errors import NoCapacity
from broker.records import Allocation
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Event
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import LOCAL_USER
from gateway.realtime.connection import RESTART_FLUSH_S
from gateway.realtime.delivery import Emit, deliver
from gateway.sessions.outcome import SessionOutcome
from tests.support.gateway_parts import FakeSlots, session_manager
from tests.support.virtual_time import VirtualClock, run_virtually

FLUSH_S = 10.0


class WaitingSlots(FakeSlots):
    """Slots of which none comes free."""

    async def allocate(self, *_asked: Any, **_more: Any) -> Allocation:
        """Wait."""
        await asyncio.Event().wait()
        raise AssertionError


def delivered(emit: Emit, *, restarts: bool = False) -> tuple[SessionOutcome, float]:
    """How a session without a slot ends for its client, and after how many seconds."""

    async def main(clock: VirtualClock) -> tuple[SessionOutcome, float]:
        slots = WaitingSlots() if restarts else FakeSlots(NoCapacity("all slots are taken", 1.0))
        manager = session_manager(slots)
        if restarts:
            manager.drain()
        port = manager.begin(SessionConfig(), LOCAL_USER, resumable=False)
        begun = clock.now_s
        outcome = await deliver(port, emit, FLUSH_S)
        port.close(done=True)
        return outcome, clock.now_s - begun

    return run_virtually(main)


def test_every_event_is_told_and_then_the_end() -> None:
    told: list[str] = []

    async def emit(event: Event) -> None:
        told.append(event.type)

    outcome, _ = delivered(emit)
    assert (told, outcome.code) == (["error"], CloseCode.NO_CAPACITY)


@pytest.mark.parametrize(("restarts", "seconds"), [(False, FLUSH_S), (True, RESTART_FLUSH_S)])
def test_a_client_that_does_not_read_is_not_waited_for(restarts: bool, seconds: float) -> None:
    async def emit(_event: Event) -> None:
        await asyncio.Event().wait()

    _, took = delivered(emit, restarts=restarts)
    assert took == pytest.approx(seconds, abs=0.1)


def test_a_client_that_is_gone_ends_the_delivery() -> None:
    async def emit(_event: Event) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        delivered(emit)
