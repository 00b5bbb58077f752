"""Runs one session, over all of its client's connections and all of its workers."""

import asyncio
from dataclasses import dataclass
from typing import Final

from broker.errors import NoCapacity, RegistryUnavailable
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Event
from gateway.auth.errors import LimitReached
from gateway.auth.session_leases import SessionLease
from gateway.capacity.session_slot import SessionSlot
from gateway.concurrency import first_of
from gateway.sessions.attachment import Attachment
from gateway.sessions.checkpoint_store import CheckpointStore
from gateway.sessions.failover import Failover
from gateway.sessions.history_entry import HistoryEntry
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.phase import PhaseTracker, SessionPhase
from gateway.sessions.recording import RecordingPlace, SessionRecording
from gateway.sessions.state import SessionState
from gateway.workers.assignment import WorkerAccess
from gateway.workers.connection import WorkerUnreachable
from runtime.errors import SessionError
from runtime.logs import bind_session, get_logger
from storage.history.writing.session_history import SessionHistory

log = get_logger(__name__)

FIRST_MOMENTS_S: Final = 3.0  # Seconds after a session's begin: who only breaks off stays no longer.
SHORT_WINDOW_S: Final = 10.0  # Seconds for which a client that is lost in these may come back.


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """What holds for all sessions of a gateway.

    - resume_window: seconds for which a client that lost its connection may come back; 0: not at all.
    - retry_after: seconds after which a client may try again where Redis can't say.
    - claimed_slot: seconds for which a slot is left to the gateway that has taken the session over; that
      one renews the lease by then.
    - release: seconds for Redis to take a slot back; one that is slower does not hold up the end.
    - max_over: sessions that are over, and whose last events a client may come back for.
    """

    resume_window: float = 30.0
    retry_after: float = 5.0
    claimed_slot: float = 8.0
    release: float = 0.1
    max_over: int = 1_000


class Session:
    """Lives from its admission to its end, with a client connected or not."""

    def __init__(
        self,
        state: SessionState,
        access: WorkerAccess,
        checkpoints: CheckpointStore,
        limits: SessionPolicy,
        phase: PhaseTracker,
        recordings: RecordingPlace | None = None,
        history: SessionHistory | None = None,
    ) -> None:
        """`phase` is FAILING_OVER for a session that another gateway began."""
        self.id, self.state, self.phase = state.id, state, phase
        self.metrics, self.clock = access.metrics, access.clock
        self.outcome: SessionOutcome | None = None
        self.resuming = asyncio.Lock()  # Held while a client comes back.
        self._checkpoints, self._limits = checkpoints, limits
        self._slot = SessionSlot(access.slots, state.id)
        self._lease = SessionLease(state.id)
        self.entry = HistoryEntry(history, state)
        self._failover = Failover(state, access, phase, self._begun, self._complete)
        state.events.on_event = self._on_event
        self._attachment: Attachment | None = None
        self.trace = access.traces.begin(state.id) if access.traces else None
        self._recordings = recordings
        self._recording: SessionRecording | None = None
        self._requested_end: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._begun_at = float("-inf")  # When a worker began it here.
        self.input = self._failover.input

    @property
    def progress(self) -> tuple[str, str, float, float]:
        """Its id, its worker, seconds of audio that came, and seconds that its results are behind."""
        seconds = self.state.replay.seconds
        lag = max(0.0, seconds - self.state.continuity.state.processed)
        return self.id, self._failover.worker_id, round(seconds, 3), round(lag, 3)

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        return self._failover.latency

    @property
    def attachment(self) -> Attachment | None:
        """The hold of the transport that is connected, None while the client is away."""
        return self._attachment

    def attach(self, attachment: Attachment | None) -> None:
        """A transport holds the session from now on, or none."""
        self._attachment = attachment
        self.phase.set_attached(attachment is not None)
        self._failover.set_present(attachment is not None)

    def occupy(self, lease: SessionLease) -> None:
        """Have this place in the count of its account, from its beginning."""
        self._lease = lease
        lease.follow_session(lambda: self.state.replay.seconds, self._end_limited)

    @property
    def resume_window(self) -> float:
        """Seconds for which a client that lost its connection may come back."""
        return self._limits.resume_window

    @property
    def may_resume(self) -> bool:
        """Whether a client that lost its connection may come back, now or after the end."""
        return self.state.continuity.state.begun and self._limits.resume_window > 0

    @property
    def has_audio(self) -> bool:
        """Whether its client ever sent audio, for which it would come back."""
        return self.state.replay.end > 0 or bool(self.input.bytes_received)

    @property
    def time_to_return(self) -> float:
        """Seconds for which its client may be away from now on, with the slot that it holds."""
        window, is_young = self._limits.resume_window, self.clock() < self._begun_at + FIRST_MOMENTS_S
        return min(window, SHORT_WINDOW_S) if is_young else window

    async def ended(self) -> SessionOutcome:
        """How the session ended, once it has."""
        await self._over.wait()
        assert self.outcome is not None
        return self.outcome

    async def commit(self) -> None:
        """See to it that what is about to be sent is known to other gateways.

        Waits for the slot's release before `session.end` is sent, because the client may reconnect at once.
        """
        if self._slot.is_released:
            await self._slot.wait_released(self._limits.release)
            await self._lease.wait_released(self._limits.release)
        elif self.may_resume and self.phase.is_live:
            await self._checkpoints.commit(self.id)

    def request_end(self, outcome: SessionOutcome) -> None:
        """End, for a reason that is no worker's."""
        if not self._requested_end.done():
            self._requested_end.set_result(outcome)

    def keep(self) -> None:
        """Have the session saved from now on, so that another gateway can go on with it."""
        self._checkpoints.watch(self.state, self._taken_over)

    def record(self) -> None:
        """Record the session from now on, if that was asked for."""
        if self._recordings is not None and self._recording is None and self.state.requested.store:
            self._recording = SessionRecording(self.state, self._recordings)

    async def run(self) -> None:
        """Live; the end is told to the client, the registry, the log and the metrics."""
        bind_session(self.id)
        outcome = SessionOutcome.error(CloseCode.INTERNAL, "cut off")
        try:
            outcome = await self._until_end()
        finally:
            self.outcome = outcome
            self.input.close()
            await self._leave(outcome)
            if self._recording is not None:
                self._recording.close(ended=self.phase.current is SessionPhase.ENDING)
                self._recording = None
            self.phase.move_to(SessionPhase.OVER)
            self._over.set()
        self._report(outcome)

    def _begun(self) -> None:
        """A worker has it: its client learns its id, with which it may come back."""
        first = self.phase.current is SessionPhase.QUEUED
        if first:
            self._begun_at = self.clock()
        self.phase.worker_began()
        if self.trace is not None:
            self.trace.worker_began(self._failover.worker_id)
        if first:
            self.record()
        if first and self.may_resume:
            self.keep()

    def _on_event(self, event: Event, data: bytes) -> None:
        """The client is told something: it is kept wherever the session is."""
        if self._recording is not None:
            self._recording.append_event(data)
        if self.phase.current is not SessionPhase.HANDED_OVER:  # Else another gateway has the record.
            self.entry.add_event(event, self._failover.worker_id)
        if self.trace is not None:
            self.trace.add_event(event)

    def follow(self) -> None:
        """Have the session's record show that it lives."""
        if self.phase.is_live:
            self.entry.follow(self._failover.worker_id)

    def _complete(self) -> None:
        """Its worker has said all: its slot is free."""
        self._slot.release("ended", self.state.replay.seconds)
        self._lease.end_session()

    def _end_limited(self, reached: LimitReached) -> None:
        code = CloseCode.TOO_MANY_SESSIONS
        self.request_end(SessionOutcome.error(code, reached.message, reached.retry_after))

    def _taken_over(self) -> None:
        """Another gateway has the session: this one has nothing more to say about it."""
        if self.phase.is_live:
            self.phase.move_to(SessionPhase.HANDED_OVER)
            self.request_end(
                SessionOutcome.error(CloseCode.RESTARTING, "the session goes on at another gateway")
            )

    async def _leave(self, outcome: SessionOutcome) -> None:
        """Give up the slot, or leave it and the session to another gateway."""
        if self.phase.current is SessionPhase.HANDED_OVER:
            self.state.events.close(outcome.event)
            self._slot.hand_over(self._limits.claimed_slot)
            self._lease.drop()
        elif outcome.code is CloseCode.RESTARTING and self.may_resume:
            self.phase.move_to(SessionPhase.HANDED_OVER)
            await self._hand_over(outcome)
        else:
            self.phase.move_to(SessionPhase.ENDING)
            self.state.events.close(outcome.event)
            self.entry.finish(outcome)
            self._slot.release(outcome.status, self.state.replay.seconds)
            self._lease.end_session()

    async def _hand_over(self, outcome: SessionOutcome) -> None:
        if self._attachment is not None:
            await self._attachment.detach(outcome)
        self.state.events.record_all_sent(self.clock())
        await self._checkpoints.hand_over(self.state)
        self._slot.hand_over(self._limits.resume_window)
        self._lease.hand_over(self._limits.resume_window)

    async def _until_end(self) -> SessionOutcome:
        try:
            ends = [self._failover.run(), _result(self._requested_end)]
            if (most := self.state.max_seconds) is not None:
                ends.append(_too_long(most - self.state.continuity.age))
            return await first_of(*ends)
        except SessionError as error:
            again = self._limits.retry_after if error.code is CloseCode.NO_CAPACITY else None
            return SessionOutcome.error(error.code, error.message, again)
        except NoCapacity as refusal:
            return SessionOutcome.error(CloseCode.NO_CAPACITY, refusal.message, refusal.retry_after)
        except (RegistryUnavailable, WorkerUnreachable) as error:
            log.warning("no worker can be assigned", why=str(error))
            return SessionOutcome.error(
                CloseCode.NO_CAPACITY, f"no worker can be reached: {error}", self._limits.retry_after
            )
        except Exception:
            log.exception("a fault of ours")
            return SessionOutcome.error(CloseCode.INTERNAL, "a fault of the server")

    def _report(self, outcome: SessionOutcome) -> None:
        metrics, seconds, dropped = (
            self.metrics,
            self.state.replay.seconds,
            self.state.events.dropped_partials,
        )
        metrics.sessions.labels(outcome.name).inc()
        metrics.audio.inc(seconds)
        metrics.dropped_partials.inc(dropped)
        if self.trace is not None:
            self.trace.end(
                outcome.name,
                failed=outcome.status == "error",
                worker_id=self._failover.worker_id,
                audio_seconds=seconds,
            )
        log.info(
            "ended",
            worker=self._failover.worker_id,
            audio_s=round(seconds, 1),
            code="none" if outcome.code is None else int(outcome.code),
            reason=outcome.name,
            dropped_partials=dropped,
        )


async def _result(future: "asyncio.Future[SessionOutcome]") -> SessionOutcome:
    return await future


async def _too_long(left: float) -> SessionOutcome:
    """The end of a session whose token allows `left` seconds more."""
    await asyncio.sleep(max(0.0, left))
    return SessionOutcome.error(CloseCode.SESSION_TOO_LONG, "the session lasted as long as its token allows")
