"""Transcribes the audio of one request of a Wyoming client."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeAlias

from dalston_realtime.protocol.commands import EndCommand
from dalston_realtime.protocol.events import Event, SessionEnd
from gateway.realtime.delivery import deliver
from gateway.realtime.wyoming.answer import CLOSES, WyomingAnswer
from gateway.realtime.wyoming.samples import AudioFormat, SampleNarrower
from gateway.realtime.wyoming.wire import WyomingEvent
from gateway.sessions.port import SessionPort
from runtime.logs import bind_session

Send: TypeAlias = Callable[[Iterable[WyomingEvent]], Awaitable[None]]
"""Sends a client some events."""


class WyomingRequest:
    """Passes audio on to a session, which `begin` makes at the first of it, and answers the client once.

    Where `begin` makes none, it has answered.
    """

    begin: Callable[[], Awaitable["RequestSession | None"]]

    def __init__(self, audio: AudioFormat, answer: WyomingAnswer, send: Send) -> None:
        self._audio, self._answer, self._send = audio, answer, send
        self._narrower = SampleNarrower(audio.width)
        self._served: RequestSession | None = None

    @property
    def is_served(self) -> bool:
        """Whether a session goes on."""
        return self._served is not None and not self._served.is_over

    async def append_audio(self, audio: AudioFormat, data: bytes) -> None:
        """Take audio; waits while too much is on its way to the worker."""
        if self._answer.is_complete or not data:
            return
        if audio != self._audio:
            await self.fail("the form of the audio can't change in a request", "invalid_request")
            return
        self._served = self._served or await self.begin()
        if self._served is not None:
            await self._served.append_audio(self._narrower.narrow(data))

    async def fail(self, message: str, code: str) -> None:
        """Answer with an error."""
        await self._send(self._answer.fail(message, code))

    async def finish(self) -> None:
        """The audio is complete: returns when the client has its answer."""
        if self._served is None:
            await self._send(self._answer.complete())
        else:
            await self._served.finish()

    async def close(self) -> None:
        """Let go of the session, whatever it still has to say."""
        if self._served is not None:
            await self._served.close()


class RequestSession:
    """The session of a request, while it goes on."""

    def __init__(
        self,
        port: SessionPort,
        answer: WyomingAnswer,
        send: Send,
        hang_up: Callable[[], None],
        flush_seconds: float,
    ) -> None:
        """`flush_seconds` are for the last results of a client that does not read them."""
        self._port, self._answer, self._send = port, answer, send
        self._hang_up, self._flush_seconds = hang_up, flush_seconds
        self._appending: asyncio.Timeout | None = None
        self._serving = asyncio.create_task(self._serve())

    @property
    def is_over(self) -> bool:
        """Whether the client has heard all that there is."""
        return self._serving.done()

    async def append_audio(self, data: bytes) -> None:
        """Take audio; waits while too much is on its way to the worker, and the session goes on."""
        if self.is_over:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as self._appending:
                await self._port.append_audio(data)
        self._appending = None

    async def finish(self) -> None:
        """Have all audio transcribed; returns when the client has its answer."""
        if not self._answer.is_complete and not self.is_over:
            await self._port.handle(EndCommand())
        await self._serving

    async def close(self) -> None:
        """Let go of the session."""
        self._serving.cancel()
        await asyncio.wait([self._serving])
        if not self._serving.cancelled():
            self._serving.result()

    async def _serve(self) -> None:
        bind_session(self._port.session_id)
        try:
            outcome = await deliver(self._port, self._emit, self._flush_seconds)
            await self._send(self._answer.conclude(outcome))
            if outcome.code in CLOSES:
                self._hang_up()
        except Exception:
            self._hang_up()
            raise
        finally:
            self._port.close(done=True)
            if self._appending is not None:  # Audio that waits for the session waits for nothing any more.
                self._appending.reschedule(asyncio.get_running_loop().time())

    async def _emit(self, event: Event) -> None:
        was_complete = self._answer.is_complete
        await self._send(self._answer.translate(event))
        if self._answer.is_complete and not was_complete and not isinstance(event, SessionEnd):
            await self._port.handle(EndCommand())
