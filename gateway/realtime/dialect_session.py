"""Holds one session for a client of a dialect, from its first audio until it is given back."""

import asyncio
from collections.abc import AsyncIterator

from msgspec.structs import replace

from dalston_realtime.protocol.commands import ConfigCommand, EndCommand, FlushCommand
from dalston_realtime.protocol.events import Event, Final
from dalston_realtime.protocol.parameters import CHANGEABLE, SessionConfig
from gateway.realtime.dialects.audio_clock import shift_event
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.port import SessionPort

WALL_CLOCK = "wall-clock"
"""The id of the flush that ends an utterance whose audio stopped coming; clients can't see it."""


class DialectSession:
    """One of the sessions that a client's connection has in turn; `offset` is the audio before it (s)."""

    def __init__(self, port: SessionPort, config: SessionConfig, offset: float) -> None:
        self.config, self.offset = config, offset
        self.over = asyncio.Event()  # All of its events were translated.
        self.is_ending = False
        self._port = port
        self._flushed_at = 0.0  # Seconds of audio at the last flush by the wall clock.

    @property
    def id(self) -> str:
        """The session's id."""
        return self._port.session_id

    @property
    def can_be_followed(self) -> bool:
        """Whether another session can go on with the audio: nobody can read a container from its middle."""
        return self.config.encoding != "container"

    @property
    def end(self) -> float:
        """Seconds of the client's audio up to now."""
        return self.offset + self._port.received

    def heard(self, idle: float) -> float | None:
        """Seconds of audio without any further event, `idle` seconds after the last audio, where known."""
        processed = self._port.processed
        if processed is None:
            return None
        is_caught_up = processed + idle >= self._port.received
        return self.offset + (self._port.received + idle if is_caught_up and idle else processed)

    async def append_audio(self, data: bytes) -> None:
        """Pass audio on."""
        await self._port.append_audio(data)

    async def flush(self, flush_id: str) -> None:
        """Finalize what was said."""
        await self._port.handle(FlushCommand(id=flush_id))

    async def flush_by_wall_clock(self) -> None:
        """Finalize what was said, where there was audio since the last time."""
        if self._port.received > self._flushed_at:
            self._flushed_at = self._port.received
            await self.flush(WALL_CLOCK)

    async def change(self, config: SessionConfig) -> bool:
        """Go on with other parameters; False where only another session can do that."""
        changes = {
            name: getattr(config, name)
            for name in config.__struct_fields__
            if getattr(config, name) != getattr(self.config, name)
        }
        if changes.keys() - set(CHANGEABLE):
            return False
        if changes:
            self.config = config
            await self._port.handle(ConfigCommand(**changes))
        return True

    async def finish(self) -> None:
        """Take no more audio, and finalize everything."""
        if not self.is_ending:
            self.is_ending = True
            await self._port.handle(EndCommand())

    async def events(self) -> AsyncIterator[Event]:
        """The events, on the clock of the connection, to the session's end."""
        async for outgoing in self._port.events():
            event = outgoing.event
            if isinstance(event, Final) and event.flush_id == WALL_CLOCK:
                event = replace(event, flush_id=None)
                if not event.text:
                    continue
            yield shift_event(event, self.offset)

    async def outcome(self) -> SessionOutcome:
        """How it ended, once it has."""
        return await self._port.ended()

    async def detached(self) -> SessionOutcome:
        """How the connection ends, once somebody else has the session."""
        return await asyncio.shield(self._port.detached)

    def close(self) -> None:
        """Give it back."""
        self._port.close(done=True)
        self.over.set()
