"""Serves one Wyoming client: says what this server is, and transcribes one request after the other.

The protocol knows no keys, so a client is the user of this machine.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.errors import LimitReached
from gateway.auth.principal import LOCAL_USER
from gateway.auth.request_facts import UNKNOWN
from gateway.auth.request_guard import placed
from gateway.realtime.listener import ListenerParts
from gateway.realtime.wyoming.answer import WyomingAnswer
from gateway.realtime.wyoming.messages import Transcribe, failure, read_data
from gateway.realtime.wyoming.program import WyomingProgram
from gateway.realtime.wyoming.request import RequestSession, WyomingRequest
from gateway.realtime.wyoming.samples import AudioFormat, session_config
from gateway.realtime.wyoming.wire import BadWyomingEvent, WyomingEvent, WyomingReader, pack_event

DIALECT: Final = "wyoming"  # The name in metrics and logs.
LINGER_S: Final = 0.5  # Seconds for which a client that is refused may go on, so that it can read why.
LINGER_READS: Final = 256  # Pieces of 4 KiB of a refused client that are read and dropped meanwhile.


class WyomingConnection:
    """Serves one client; an unknown event is skipped, and what is no event ends the connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        parts: ListenerParts,
        program: WyomingProgram,
    ) -> None:
        self._stream, self._writer, self._parts, self._program = reader, writer, parts, program
        self._reader = WyomingReader(reader, parts.times.request)
        self._asked = Transcribe()
        self._request: WyomingRequest | None = None

    @property
    def _is_served(self) -> bool:
        return self._request is not None and self._request.is_served

    def stop(self) -> None:
        """Close the connection, unless it has a session, which says how that ends."""
        if not self._is_served:
            self._writer.close()

    async def serve(self) -> None:
        """Serve until the client is gone, does nothing, or sends what is no event."""
        with suppress(ConnectionError):
            try:
                await self._take_events()
            except BadWyomingEvent as error:
                await self.refuse(str(error), "invalid_request")
            finally:
                await self._drop_request()

    async def refuse(self, message: str, code: str) -> None:
        """Say why the connection ends, and leave the client the time to read it."""
        await self._send((failure(message, code),))
        self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                for _ in range(LINGER_READS):
                    if not await self._stream.read(1 << 12):
                        return

    async def _take_events(self) -> None:
        while True:
            try:
                event = await self._reader.read_event(self._parts.times.idle)
            except TimeoutError:
                if self._is_served:  # The session has limits of its own for a client that does nothing.
                    continue
                return
            if event is None:
                return
            await self._handle_event(event)

    async def _handle_event(self, event: WyomingEvent) -> None:
        match event.type:
            case "audio-chunk":
                audio = read_data(event, AudioFormat)
                request = self._request or await self._begin_request(audio)
                await request.append_audio(audio, event.payload)
            case "audio-start":
                await self._begin_request(read_data(event, AudioFormat))
            case "audio-stop":
                await self._finish_request()
            case "transcribe":
                await self._drop_request()
                self._asked = read_data(event, Transcribe)
            case "describe":
                await self._send((await self._program.describe(),))
            case "ping":
                await self._send((WyomingEvent("pong", event.data),))

    async def _begin_request(self, audio: AudioFormat) -> WyomingRequest:
        """Judge what is asked for; who is refused is told at once, and the audio that comes is dropped."""
        await self._drop_request()
        ends = self._program.client_ends
        answer = WyomingAnswer(client_ends=ends)
        self._request = WyomingRequest(audio, answer, self._send)
        self._parts.note_ignored(DIALECT, self._asked.ignored)
        try:
            config = await self._parts.gate.admit(session_config(audio, self._asked, client_ends=ends))
        except InvalidParameter as error:
            await self._request.fail(error.message, "invalid_parameter")
        else:
            self._request.begin = partial(self._begin_session, config, answer, self._request)
        return self._request

    async def _begin_session(
        self, config: SessionConfig, answer: WyomingAnswer, request: WyomingRequest
    ) -> RequestSession | None:
        """The session of a request; who has used what they may is told, and gets none."""
        address = self._writer.get_extra_info("peername", (UNKNOWN,))[0]
        principal, gate = placed(LOCAL_USER, address), self._parts.gate
        try:
            lease = await gate.reserve(principal)
        except LimitReached as reached:
            await request.fail(reached.message, reached.code)
            return None
        port, flush = gate.begin(config, principal, lease), self._parts.times.flush
        return RequestSession(port, answer, self._send, self._writer.close, flush)

    async def _finish_request(self) -> None:
        """Answer, where there was no audio too; then the next request may come."""
        if self._request is not None:
            await self._request.finish()
        else:
            await self._send(WyomingAnswer(client_ends=True).complete())
        self._request, self._asked = None, Transcribe()

    async def _drop_request(self) -> None:
        """Leave a request without an answer, if one runs."""
        if self._request is not None:
            request, self._request = self._request, None
            await request.close()

    async def _send(self, events: Iterable[WyomingEvent]) -> None:
        self._writer.write(b"".join(map(pack_event, events)))
        await self._writer.drain()
