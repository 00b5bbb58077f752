"""Serves one client's WebSocket in its dialect, and begins and ends the sessions that this takes."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Final, Protocol

from starlette.websockets import WebSocket

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.errors import RequestRefused
from gateway.concurrency import first_of
from gateway.realtime.connection import IN_A_ROW
from gateway.realtime.dialect_session import DialectSession
from gateway.realtime.dialects.actions import (
    Actions,
    AppendAudio,
    ChangeSession,
    CloseClient,
    EndSession,
    FlushSession,
    IdentifyClient,
    NoteIgnored,
    SayFrame,
)
from gateway.realtime.dialects.dialect import Conversation
from gateway.realtime.outbox import Outbox
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.port import SessionPort
from runtime.errors import SessionError
from runtime.logs import bind_session, get_logger

log = get_logger(__name__)

_REFUSED: Final = {
    401: CloseCode.UNAUTHORIZED,
    403: CloseCode.FORBIDDEN,
    429: CloseCode.TOO_MANY_SESSIONS,
}
ENDED: Final = SessionOutcome(CloseCode.NORMAL)


@dataclass(frozen=True, slots=True)
class DialectTimes:
    """Seconds of what happens where a client of a dialect does nothing.

    - look: between two looks at the clock.
    - silence: without audio, as if it were silence: the open utterance is finalized.
    - release: without audio, until the session is given back; the next audio begins another one.
    - flush: for the last results of a client that is gone, or does not read them.
    """

    look: float = 0.1
    silence: float = 1.0
    release: float = 5.0
    flush: float = 10.0


class DialectHost(Protocol):
    """What a connection needs of its gateway; it knows who the client is."""

    def begin(self, config: SessionConfig) -> SessionPort:
        """Begin a session."""

    async def admit(self, config: SessionConfig) -> SessionConfig:
        """The parameters as the server takes them, or `InvalidParameter`."""

    async def identify(self, credential: str | None) -> None:
        """Find out who the client is, or raise `RequestRefused`."""

    async def leave(self) -> None:
        """The client has no session any more, and gets none."""

    def note_ignored(self, dialect: str, flags: tuple[str, ...]) -> None:
        """Count what a client asks for and nobody does."""


class DialectConnection:
    """Serves one client; `config` is what its request asks for, as the server takes it."""

    def __init__(
        self,
        client: WebSocket,
        conversation: Conversation,
        config: SessionConfig,
        host: DialectHost,
        times: DialectTimes,
        stopping: asyncio.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._conversation, self._config = client, conversation, config
        self._host, self._times, self._stopping, self._clock = host, times, stopping, clock
        self._outbox = Outbox()
        self._session: DialectSession | None = None
        self._begun: asyncio.Queue[DialectSession] = asyncio.Queue()
        self._received = 0.0  # Seconds of audio in the sessions before this one.
        self._input = asyncio.Lock()  # Held while something is passed on to the session.
        self._last_frame = self._last_audio = clock()
        self._is_ending = self._is_over = False

    async def serve(self) -> None:
        """Serve until the end, and give the session back."""
        try:
            await self._perform(self._conversation.greet())
            await first_of(self._read(), self._outbox.send(self._client), self._watch(), self._follow())
        finally:
            if self._session is not None:
                self._session.close()

    async def _read(self) -> None:
        """Take frames until the client is gone; what it said before is still finalized."""
        try:
            await self._take_frames()
        except SessionError as error:
            await self._conclude(SessionOutcome.error(error.code, error.message))
            await asyncio.Event().wait()
        self._outbox.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._times.flush), self._input:
                await self._finish_session()

    async def _take_frames(self) -> None:
        for number in count(1):
            message = await self._client.receive()
            if message["type"] == "websocket.disconnect":
                if "broken" in message:  # The protocol of WebSockets: the client can still be told.
                    raise SessionError(CloseCode.INVALID_REQUEST, message["reason"])
                return
            self._last_frame = self._clock()
            await self._take(message["bytes"] if message.get("bytes") is not None else message["text"])
            if number % IN_A_ROW == 0:
                await asyncio.sleep(0)  # Other clients have their turn.

    async def _take(self, frame: bytes | str) -> None:
        if len(frame) > self._conversation.max_frame:
            text = f"a frame of {len(frame)} bytes; at most {self._conversation.max_frame}"
            raise SessionError(CloseCode.INVALID_REQUEST, text)
        if not (self._is_ending or self._is_over):
            async with self._input:
                await self._perform(self._conversation.receive(frame))

    async def _perform(self, actions: Actions) -> None:
        """Do what the conversation wants; what it says is in order, whoever else says something meanwhile."""
        actions = tuple(actions)
        for action in actions:
            if isinstance(action, SayFrame | CloseClient):
                self._outbox.append(action)
        for action in actions:
            match action:
                case AppendAudio(data):
                    await self._append_audio(data)
                case FlushSession(flush_id):
                    await self._flush(flush_id)
                case ChangeSession(config):
                    await self._change(config)
                case IdentifyClient(credential):
                    await self._identify(credential)
                case NoteIgnored(dialect, flags):
                    self._host.note_ignored(dialect, flags)
                case EndSession():
                    await self._end()
        await self._outbox.drained()

    async def _append_audio(self, data: bytes) -> None:
        if not data:
            return
        if self._session is None or self._session.is_ending:
            await self._finish_session()
            self._begin_session()
        assert self._session is not None
        await self._session.append_audio(data)
        self._last_audio = self._clock()

    def _begin_session(self) -> None:
        self._session = DialectSession(self._host.begin(self._config), self._config, self._received)
        bind_session(self._session.id)
        self._begun.put_nowait(self._session)

    async def _finish_session(self) -> None:
        """Wait until all events of the session are translated."""
        if self._session is not None:
            await self._session.finish()
            await self._session.over.wait()
            self._session = None

    async def _flush(self, flush_id: str) -> None:
        """A flush is answered where no session is, too."""
        if self._session is not None and not self._session.is_ending:
            await self._session.flush(flush_id)
            return
        await self._finish_session()
        await self._perform(self._conversation.translate(FinalEvent(text="", flush_id=flush_id)))

    async def _change(self, config: SessionConfig) -> None:
        try:
            config = await self._host.admit(config)
        except InvalidParameter as error:
            await self._perform(self._conversation.reject(error))
            return
        self._config = config
        if self._session is not None and not await self._session.change(config):
            await self._finish_session()
        await self._perform(self._conversation.accept(config))

    async def _identify(self, credential: str | None) -> None:
        try:
            await self._host.identify(credential)
        except RequestRefused as refused:
            code = _REFUSED.get(refused.status, CloseCode.NO_CAPACITY)
            await self._conclude(SessionOutcome.error(code, refused.message))

    async def _end(self) -> None:
        self._is_ending = True
        await self._finish_session()
        await self._conclude(ENDED)

    async def _conclude(self, outcome: SessionOutcome) -> None:
        if not self._is_over:
            self._is_over = True
            await self._host.leave()
            await self._perform(self._conversation.conclude(outcome))

    async def _follow(self) -> None:
        """Translate the events of one session after the other."""
        while True:
            session = await self._begun.get()
            bind_session(session.id)
            outcome = await first_of(self._translate(session), session.detached())
            self._received = session.end
            session.close()
            if outcome.code not in (None, CloseCode.NORMAL):
                await self._conclude(outcome)

    async def _translate(self, session: DialectSession) -> SessionOutcome:
        async for event in session.events():
            await self._perform(self._conversation.translate(event))
        return await session.outcome()

    async def _watch(self) -> None:
        """Do what is due where the client does nothing."""
        while True:
            await asyncio.sleep(self._times.look)
            now = self._clock()
            if self._stopping.is_set():
                await self._conclude(SessionOutcome.error(CloseCode.RESTARTING, "the gateway is going away"))
            elif now - self._last_frame >= self._conversation.idle_s and not self._is_ending:
                await self._conclude(SessionOutcome.error(CloseCode.IDLE_TIMEOUT, "nothing came for long"))
            elif not self._input.locked():
                async with self._input:
                    await self._watch_session(now - self._last_audio)

    async def _watch_session(self, idle: float) -> None:
        session = self._session
        if session is None or session.is_ending:
            return
        if self._conversation.ticks and (heard := session.heard(idle)) is not None:
            await self._perform(self._conversation.on_heard(heard))
        if idle >= self._times.release and session.can_be_followed:
            await session.finish()
        elif idle >= self._times.silence:
            await session.flush_by_wall_clock()
