"""Recognizes the audio of one call of a Riva client: of a stream, or of a recording as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import EndCommand, FlushCommand
from dalston_realtime.protocol.events import Event, ServerError
from dalston_realtime.protocol.events import Final as FinalEvent
from gateway.concurrency import first_of
from gateway.realtime.delivery import deliver
from gateway.realtime.riva.answers import streaming_response
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.port import SessionPort
from runtime.errors import SessionError
from runtime.logs import bind_session

Receive: TypeAlias = Callable[[], Awaitable[Any]]
"""Waits for the next message of a client; None after the last."""

Send: TypeAlias = Callable[[Any], Awaitable[None]]

PIECE_BYTES: Final = 1 << 15  # Bytes of a recording that go to the session at a time: a second at 16 kHz.


class RivaCall:
    """Feeds a session, and takes its events, until either is over."""

    def __init__(self, port: SessionPort, flush_seconds: float) -> None:
        """`flush_seconds` are for the last results of a client that does not read them."""
        self._port, self._flush_seconds = port, flush_seconds
        self._error: ServerError | None = None

    async def run(self) -> SessionOutcome:
        """Run to the end, and let go of the session; how it ended, and why."""
        bind_session(self._port.session_id)
        try:
            outcome = await first_of(self._deliver(), self._feed_safely())
        finally:
            self._port.close(done=True)
        return SessionOutcome(outcome.code, outcome.event or self._error)

    async def feed(self) -> None:
        """Pass the audio on."""
        raise NotImplementedError

    async def emit(self, event: Event) -> None:
        """Take an event."""
        raise NotImplementedError

    async def _deliver(self) -> SessionOutcome:
        return await deliver(self._port, self._emit, self._flush_seconds)

    async def _emit(self, event: Event) -> None:
        if isinstance(event, ServerError) and not event.recoverable:
            self._error = event
        await self.emit(event)

    async def _feed_safely(self) -> SessionOutcome:
        """Pass the audio on; how the session ends is for the other direction to say."""
        try:
            await self.feed()
        except SessionError as error:
            self._port.fail(error)
        never: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        return await never


class RivaStream(RivaCall):
    """A stream: `receive` has the messages behind the first one."""

    def __init__(
        self, port: SessionPort, flush_seconds: float, receive: Receive, send: Send, request_id: str
    ) -> None:
        super().__init__(port, flush_seconds)
        self._receive, self._send, self._id = receive, send, request_id
        self._flushes = 0

    async def feed(self) -> None:
        """Pass on what the client sends, and its end."""
        while (request := await self._receive()) is not None:
            if request.HasField("streaming_config"):
                raise SessionError(CloseCode.INVALID_REQUEST, "the configuration can't change in a stream")
            await self._port.append_audio(request.audio_content)
            if any(e.key == "force_eou" and e.value.lower() == "true" for e in request.runtime_config):
                self._flushes += 1
                await self._port.handle(FlushCommand(id=str(self._flushes)))
        await self._port.handle(EndCommand())

    async def emit(self, event: Event) -> None:
        """Send the client what the event means to it."""
        response = streaming_response(event)
        if response is not None:
            response.id.value = self._id
            await self._send(response)


class RivaRecognition(RivaCall):
    """A recording that is there as a whole; it is heard as fast as the worker takes it."""

    def __init__(self, port: SessionPort, flush_seconds: float, audio: bytes) -> None:
        super().__init__(port, flush_seconds)
        self.finals: list[FinalEvent] = []
        self._audio = audio

    async def feed(self) -> None:
        """Pass all of the audio on."""
        for at in range(0, len(self._audio), PIECE_BYTES):
            await self._port.append_audio(self._audio[at : at + PIECE_BYTES])
        await self._port.handle(EndCommand())

    async def emit(self, event: Event) -> None:
        """Keep the finals."""
        if isinstance(event, FinalEvent):
            self.finals.append(event)
