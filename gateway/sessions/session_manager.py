"""The sessions of one gateway: begun here, found again by clients that come back, kept for a while."""

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from starlette.websockets import WebSocket

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.context import Gateway
from gateway.realtime.admission import SessionRequest
from gateway.realtime.connection import ClientConnection
from gateway.sessions.session import Session
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.state import SessionState

log = structlog.stdlib.get_logger(__name__)

MAX_OVER: Final = 1_000  # sessions that are over, and whose last events a client may come back for


class SessionManager:
    """Every session that this gateway serves."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: dict[str, asyncio.TimerHandle] = {}
        self._expiry: dict[str, asyncio.TimerHandle] = {}

    def begin(self, wish: SessionRequest) -> Session:
        """A new session."""
        return self._start(Session(self._gateway, SessionState.new(uuid.uuid4().hex, wish)))

    def find(self, session_id: str) -> Session | None:
        """A session that is here."""
        return self._sessions.get(session_id)

    async def take_over(self, session_id: str, fields: dict[str, bytes]) -> Session | None:
        """A session that another gateway kept; None if somebody else was faster."""
        if not await self._gateway.vault.claim(session_id, fields["owner"].decode()):
            return None
        if known := self.find(session_id):
            return known
        log.info("session=%s taken over", session_id)
        state = SessionState.restored(session_id, fields, time.monotonic())
        session = Session(self._gateway, state, resumed=True)
        session.keep()
        self._start(session)
        self._wait_for_client(session)
        return session

    async def serve(self, client: WebSocket, session: Session, replay: list[bytes] | None = None) -> None:
        """Serve an accepted client until its connection is over."""
        connection = ClientConnection(
            client, session, self._gateway.metrics, self._gateway.settings.flush_timeout, replay
        )
        session.connection = connection
        if timer := self._expiry.pop(session.id, None):
            timer.cancel()
        done = False
        try:
            done = await connection.serve()
        finally:
            if session.connection is connection:
                session.connection = None
                self._gone(session, done)

    async def resume(self, client: WebSocket, session: Session, last_seq: int) -> None:
        """Serve an accepted client that comes back; one that is still connected is let go."""
        async with session.turn:  # else of two that come back at once one misses what the other is sent
            while (before := session.connection) is not None:
                session.connection = None
                await before.part(
                    SessionOutcome.error(
                        CloseCode.INVALID_REQUEST, "the session goes on over another connection"
                    )
                )
        session.log.break_off()
        missed = session.outbox.since(last_seq)
        session.outbox.skip_to(last_seq)
        event = {
            "type": "session.resumed",
            "session_id": session.id,
            "replayed_from": last_seq + 1,
            "audio_received": session.log.seconds,  # not rounded: the client goes on at this very sample
            "messages_received": session.log.messages,
        }
        resumed = session.outbox.leave(event, time.monotonic())
        await self.serve(client, session, [*missed, resumed])

    def _start(self, session: Session) -> Session:
        self._sessions[session.id] = session
        task = asyncio.create_task(session.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._is_over(session))
        return session

    async def finish(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every session is handed over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline)

    def _gone(self, session: Session, done: bool) -> None:
        """A connection is over: its session goes on for a while, unless the client is done with it."""
        if session.ending is not None:
            if done:
                self._remove(session.id)
        elif done or not session.kept:
            session.finish(SessionOutcome(None))
        else:
            log.info("session=%s lost its client", session.id)
            self._wait_for_client(session)

    def _wait_for_client(self, session: Session) -> None:
        window = self._gateway.settings.resume_window
        self._expiry[session.id] = asyncio.get_running_loop().call_later(window, self._expire, session)

    def _expire(self, session: Session) -> None:
        self._expiry.pop(session.id, None)
        session.finish(SessionOutcome(None))

    def _is_over(self, session: Session) -> None:
        """Keep its last events for a client that has not got them."""
        assert session.ending is not None
        kept, code = session.kept, session.ending.code
        session.clear()
        if not kept or code in (None, CloseCode.RESTARTING):
            self._remove(session.id)
            if kept and code is None:
                self._later(self._gateway.vault.remove(session.id))
            return
        self._later(self._gateway.vault.keep_owner(session.id))
        window = self._gateway.settings.resume_window
        self._over[session.id] = asyncio.get_running_loop().call_later(window, self._remove, session.id)
        if len(self._over) > MAX_OVER:
            self._remove(next(iter(self._over)))

    def _remove(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        if timer := self._over.pop(session_id, None):
            timer.cancel()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
