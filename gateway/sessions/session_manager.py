"""Begins the sessions of one gateway, finds them for clients that come back, and keeps them for a while."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from broker.checkpoint_record import decode_checkpoint
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import SessionResumed
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import Principal
from gateway.auth.session_leases import SessionLease
from gateway.auth.usage_limits import UsageLimits
from gateway.sessions.attachment import Attachment
from gateway.sessions.checkpoint_store import CheckpointStore
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.phase import PhaseTracker, SessionPhase
from gateway.sessions.port import SessionPort
from gateway.sessions.recording import RecordingPlace
from gateway.sessions.resume_token import new_resume_token, token_digest
from gateway.sessions.session import Session, SessionPolicy
from gateway.sessions.state import SessionState
from gateway.workers.assignment import WorkerAccess
from runtime.logs import get_logger
from storage.history.writing.session_history import HEARTBEAT_S, SessionHistory

log = get_logger(__name__)

WITHDRAWN = SessionOutcome.error(CloseCode.UNAUTHORIZED, "the key of this session holds no more")
REPLACED = SessionOutcome.error(CloseCode.INVALID_REQUEST, "the session goes on over another connection")
RESTART = SessionOutcome.error(CloseCode.RESTARTING, "the gateway is going away")


class NotYours(Exception):
    """A client came back for a session with another token or as another principal."""


class SessionManager:
    """Every session that this gateway serves."""

    def __init__(
        self,
        access: WorkerAccess,
        checkpoints: CheckpointStore,
        limits: SessionPolicy | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        recordings: RecordingPlace | None = None,
        history: SessionHistory | None = None,
        usage: UsageLimits | None = None,
    ) -> None:
        """`history` keeps the sessions that ask for it, None: none. `usage` says how many there may be."""
        self._history, self._usage = history, usage
        self._access, self._checkpoints, self._new_id = access, checkpoints, new_id
        self._recordings = recordings
        self._limits = limits or SessionPolicy()
        self._draining = False
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: dict[str, asyncio.TimerHandle] = {}  # Sessions that are over, until they are forgotten.
        self._expiry: dict[str, asyncio.TimerHandle] = {}  # Sessions whose client is away, until they end.

    async def reserve(self, principal: Principal, *, is_shared: bool = False) -> SessionLease:
        """A place for a session of `principal`; one that `is_shared` is for one session after the other.

        Raises:
            LimitReached: they have used what they may.
        """
        if self._usage is None:
            return SessionLease(self._new_id(), is_shared=is_shared)
        return await self._usage.open_lease(principal.account, self._new_id(), is_shared=is_shared)

    def begin(
        self,
        config: SessionConfig,
        principal: Principal,
        lease: SessionLease | None = None,
        *,
        resumable: bool = True,
    ) -> SessionPort:
        """Begin a session for a client that is accepted; it belongs to `principal`, and `lease` is its place.

        `resumable` says whether its client may lose its connection.
        """
        lease = lease or SessionLease(self._new_id())
        session_id = self._new_id() if lease.is_shared else lease.id
        token = new_resume_token(session_id)
        state = SessionState.new(
            session_id,
            config,
            self._access.clock,
            principal=principal.id,
            token=token_digest(token),
            account=lease.account,
            max_seconds=lease.seconds_left(principal.session_seconds),
        )
        policy = self._policy_of(lease) if resumable else replace(self._limits, resume_window=0.0)
        return self._attach(self._start(state, PhaseTracker(), policy, lease), (), token)

    def running(self) -> list[tuple[str, str, float, float]]:
        """The progress of each session that is not over."""
        live = (each for each in self._sessions.values() if each.phase.current is not SessionPhase.OVER)
        return [session.progress for session in live]

    def find(self, session_id: str) -> Session | None:
        """A session that is here."""
        return self._sessions.get(session_id)

    async def take_over(
        self,
        session_id: str,
        fields: dict[str, bytes],
        owner: str,
        may_resume: Callable[[SessionState], bool],
    ) -> Session | None:
        """Go on with a session that another gateway saved; None if somebody else was faster.

        Raises:
            NotYours: `may_resume` says that the client must not; then it is not claimed.
            BadCheckpoint: the fields can't be read, or are of another version; then it is not claimed.
            RegistryUnavailable: Redis is away.
        """
        clock = self._access.clock
        state = SessionState.restore(session_id, decode_checkpoint(fields), clock(), clock)
        if not may_resume(state):
            raise NotYours
        if not await self._checkpoints.claim(session_id, owner):
            return None
        if known := self.find(session_id):
            return known
        log.info("taken over", session=session_id)
        session = self._continue(state.taken_over())
        session.keep()
        session.record()
        session.entry.take_over()
        self._wait_for_client(session)
        return session

    async def resume(self, session: Session, token: str, last_seq: int) -> SessionPort:
        """Attach a client that comes back with the session's token; one that is still connected is let go."""
        # In turn: else of two that come back at once one misses what the other is sent.
        async with session.resuming:
            while (before := session.attachment) is not None:
                session.attach(None)
                await before.detach(REPLACED)
            replay, events = session.state.replay, session.state.events
            replay.drop_partial_sample()
            session.entry.add_resume()
            missed = events.sent_since(last_seq)
            events.advance_to(last_seq)
            event = SessionResumed(
                session_id=session.id,
                replayed_from=last_seq + 1,
                audio_received=replay.seconds,  # Not rounded: the client goes on at this very sample.
                messages_received=replay.messages,
                bytes_received=session.input.bytes_received,
            )
            now = self._access.clock()
            return self._attach(session, (*missed, events.send_now(event, now)), token)

    async def run(self) -> None:
        """Have the records of the sessions show that these live, until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for session in self._sessions.values():
                session.follow()

    def end_withdrawn(self, holds: Callable[[str], bool]) -> None:
        """End the sessions of principals who may not stay; `holds` says of the id of one whether they may."""
        for session in self._sessions.values():
            if session.phase.is_live and not holds(session.state.principal):
                session.request_end(WITHDRAWN)

    def drain(self) -> None:
        """Have every session end, or go on at another gateway; new ones too."""
        self._draining = True
        for session in self._sessions.values():
            session.request_end(RESTART)

    async def wait_over(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every session is over or handed over."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline)

    def _policy_of(self, lease: SessionLease) -> SessionPolicy:
        """What holds for a session that may be resumed: its key may have a shorter window."""
        window = lease.limits.resume_window
        if window is None or window >= self._limits.resume_window:
            return self._limits
        return replace(self._limits, resume_window=window)

    def _continue(self, state: SessionState) -> Session:
        """Run a session that another gateway began."""
        if self._usage is None:
            lease = SessionLease(state.id)
        else:
            lease = self._usage.adopt_lease(state.account, state.id, state.replay.seconds)
        return self._start(state, PhaseTracker(SessionPhase.FAILING_OVER), self._policy_of(lease), lease)

    def _start(
        self, state: SessionState, phase: PhaseTracker, limits: SessionPolicy, lease: SessionLease
    ) -> Session:
        session = Session(
            state, self._access, self._checkpoints, limits, phase, self._recordings, self._history
        )
        session.occupy(lease)
        self._sessions[session.id] = session
        if self._draining:
            session.request_end(RESTART)
        task = self._in_background(session.run())
        task.add_done_callback(lambda _: self._on_over(session))
        return session

    def _attach(self, session: Session, missed: tuple[bytes, ...], token: str) -> SessionPort:
        attachment = Attachment()
        session.attach(attachment)
        if timer := self._expiry.pop(session.id, None):
            timer.cancel()
        return SessionPort(session, attachment, missed, partial(self._on_close, session), token)

    def _on_close(self, session: Session, attachment: Attachment, done: bool) -> None:
        """A connection is over: its session goes on for a while, unless the client is done with it."""
        if session.attachment is not attachment:
            return
        session.attach(None)
        if session.outcome is not None:
            if done:
                self._remove(session.id)
        elif done or not (session.may_resume and session.phase.is_live and session.has_audio):
            session.request_end(SessionOutcome(None))
        else:
            log.info("lost its client")
            self._wait_for_client(session)

    def _wait_for_client(self, session: Session) -> None:
        window = session.time_to_return
        self._expiry[session.id] = asyncio.get_running_loop().call_later(window, self._expire, session)

    def _expire(self, session: Session) -> None:
        self._expiry.pop(session.id, None)
        session.request_end(SessionOutcome(None))

    def _on_over(self, session: Session) -> None:
        """Keep the last events of a session for a client that has not got them."""
        assert session.outcome is not None
        code = session.outcome.code
        session.state.clear()
        if not session.may_resume or code in (None, CloseCode.RESTARTING):
            self._remove(session.id)
            if session.may_resume and code is None:
                self._in_background(self._checkpoints.remove(session.id))
            return
        self._in_background(self._checkpoints.keep_owner(session.id))
        window = session.resume_window
        self._over[session.id] = asyncio.get_running_loop().call_later(window, self._remove, session.id)
        if len(self._over) > self._limits.max_over:
            self._remove(next(iter(self._over)))

    def _remove(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
        if timer := self._over.pop(session_id, None):
            timer.cancel()

    def _in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
