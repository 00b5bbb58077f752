"""Gives the events of a session to a client that speaks another transport than WebSockets."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from dalston_realtime.protocol.events import Event
from gateway.concurrency import first_of
from gateway.realtime.connection import flush_seconds
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.port import SessionPort

Emit: TypeAlias = Callable[[Event], Awaitable[None]]
"""Sends the client what an event means to it."""


async def deliver(port: SessionPort, emit: Emit, flush_timeout: float) -> SessionOutcome:
    """Emit the events of a session that can't be resumed to its end; how it ended.

    A client that does not read has `flush_timeout` seconds for its last results.
    """
    try:
        return await first_of(_emit_all(port, emit), _late(port, flush_timeout))
    finally:
        port.let_go()


async def _emit_all(port: SessionPort, emit: Emit) -> SessionOutcome:
    async for outgoing in port.events():
        await emit(outgoing.event)
    return await port.ended()


async def _late(port: SessionPort, flush_timeout: float) -> SessionOutcome:
    outcome = await port.ended()
    await asyncio.sleep(flush_seconds(outcome, flush_timeout))
    return outcome
