"""Serves a session by one worker after the other, until one of them has ended it."""

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import ServerError, SessionBegin, SessionEnd, SessionQueued
from gateway.concurrency import first_of
from gateway.sessions.client_input import ClientInput
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.phase import PhaseTracker, SessionPhase
from gateway.sessions.replay.audio_feeder import AudioFeeder
from gateway.sessions.state import SessionState
from gateway.workers.assignment import WorkerAccess, WorkerAssignment
from gateway.workers.connection import WorkerConnection
from gateway.workers.liveness import Liveness
from runtime.errors import SessionError
from runtime.logs import get_logger
from runtime.worker_link import WorkerMessage

log = get_logger(__name__)

GOING_AWAY: Final = 1001
MAX_LOSSES: Final = 3  # Workers that one piece of audio may cost; it may be what they die of.
LOST: Final = (None, GOING_AWAY, CloseCode.INTERNAL, CloseCode.RESTARTING)
INTERNAL_ERRORS: Final = (CloseCode.INTERNAL.error, CloseCode.RESTARTING.error)


class Failover:
    """Feeds the worker of now, and finds another one when it is lost."""

    def __init__(
        self,
        state: SessionState,
        access: WorkerAccess,
        phase: PhaseTracker,
        on_begun: Callable[[], None],
        on_complete: Callable[[], None],
    ) -> None:
        """`on_begun` is called when a worker has begun, `on_complete` when one has said all."""
        self._state, self._access, self._phase = state, access, phase
        self._on_begun, self._on_complete = on_begun, on_complete
        self._had_worker = phase.current is SessionPhase.QUEUED  # Else the one before was another gateway's.
        self._assignment = WorkerAssignment(access, state.id, state.requested)
        self._feeder = AudioFeeder(state.replay, state.continuity)
        self._liveness = Liveness(access.liveness)
        self._worker: WorkerConnection | None = None
        self._is_planned = False  # The worker of before has said that it is going away.
        self.input = ClientInput(state, self._feeder, self._liveness)
        self._is_queued = False
        if self._had_worker:
            self._feeder.wait_for_worker(access.waiting)

    @property
    def worker_id(self) -> str:
        """That of the last worker."""
        return self._assignment.worker_id

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        return self._worker.latency if self._worker else None

    def set_present(self, present: bool) -> None:
        """The client came or went."""
        self._liveness.on_presence(present)

    async def run(self) -> SessionOutcome:
        """Serve by one worker after the other, until one says that the session has ended.

        Raises:
            NoCapacity: there is no slot.
            WorkerUnreachable: two workers can't be reached.
            RegistryUnavailable: Redis is away.
            SessionError: the client is at fault.
        """
        outcome = None
        if self._had_worker:
            worker = await self._assignment.assign(self._state.replay.config, self._on_queued)
            outcome = await self._serve_by(worker)
        while outcome is None:
            self._phase.worker_lost()
            outcome = await self._go_on()
        return outcome

    async def _go_on(self) -> SessionOutcome | None:
        """Have another worker go on; how the session ended, None if that one was lost as well."""
        state, had_worker, self._had_worker = self._state, self._had_worker, True
        start = state.continuity.start_replay(count_loss=had_worker and not self._is_planned)
        if state.continuity.state.losses > MAX_LOSSES:
            return SessionOutcome.error(CloseCode.INTERNAL, "several workers were lost over the same audio")
        state.replay.trim_before(start.audio_at)
        self._feeder.rewind()
        resume = start.resume_point(state.replay.clock, state.replay.received)
        worker = await self._assignment.reassign(state.replay.config, resume, had_worker=had_worker)
        if worker is None:
            return SessionOutcome.error(CloseCode.INTERNAL, "the worker was lost; no other has a free slot")
        self._phase.worker_found()
        return await self._serve_by(worker)

    def _on_queued(self, position: int, expected_wait: float | None) -> None:
        """Tell the client where it is; nobody begins to wait where nothing can be kept of what they send."""
        if not self._is_queued and self._access.waiting.is_full:
            raise SessionError(CloseCode.NO_CAPACITY, "too much audio of others waits for a slot")
        self._is_queued = True
        self._state.events.append(SessionQueued(position=position, expected_wait=expected_wait))

    async def _serve_by(self, worker: WorkerConnection) -> SessionOutcome | None:
        """Feed a worker and pass on what it says; how the session ended, None if the worker was lost."""
        self._worker = worker
        self._liveness.reset()
        lost = self._is_planned = False
        try:
            outcome = await self._until_lost(worker)
            lost = outcome is None
        finally:
            self._worker = None
            if lost:
                worker.abort()  # One that hangs answers no close.
            else:
                await worker.close(GOING_AWAY)
        if lost:
            self._report_loss()
        return outcome

    def _report_loss(self) -> None:
        if self._is_planned:
            log.info("leaves its worker, which is going away", worker=self.worker_id)
            warning = "worker_changed", "the worker is going away; another one goes on from the last final"
        else:
            log.warning("lost its worker", worker=self.worker_id)
            warning = "worker_lost", "the worker was lost; another one goes on from the last final"
        if self._state.continuity.state.begun:
            self._state.warn(*warning)

    async def _until_lost(self, worker: WorkerConnection) -> SessionOutcome | None:
        announced = asyncio.Event()
        unsubscribe = self._access.worker_lost.subscribe(self.worker_id, announced.set)
        runs = [self._listen(worker), self._feed(worker), self._announced(announced)]
        runs += [self._liveness.until_hung(), self._liveness.report_presence(worker)]
        runs.append(self._liveness.until_silent())
        if self._state.requested.timing or self._access.traces is not None:
            runs.append(worker.measure_latency())
        try:
            return await first_of(*runs)
        finally:
            unsubscribe()

    async def _listen(self, worker: WorkerConnection) -> SessionOutcome | None:
        """Always reads: what the client does not take yet waits in the event queue."""
        told: ServerError | None = None
        async for frame in worker.frames():
            self._liveness.on_event()
            match frame.message:
                case None:
                    self._access.metrics.undecodable.inc()
                case ServerError(recoverable=False) as error:
                    told = error
                case SessionEnd() as end:
                    self._on_complete()
                    self._pass_on(end, frame.size)
                    return SessionOutcome(CloseCode.NORMAL)
                case message:
                    self._pass_on(message, frame.size)
        return self._closed(worker, told)

    def _pass_on(self, message: WorkerMessage, size: int) -> None:
        state = self._state
        shown = state.continuity.translate(message)
        if isinstance(message, SessionBegin):
            if isinstance(shown, SessionBegin):
                shown = self._as_asked(shown)
            self._on_begun()
        elif isinstance(message, FinalEvent):
            self.input.on_final()
            if message.flush_id is not None:
                state.replay.entries.flush_answered(message.flush_id)
        state.replay.trim_before(state.continuity.replay_from)
        self._feeder.wake()
        if shown is not None:
            state.events.append(shown, size, self._access.clock())

    def _as_asked(self, begin: SessionBegin) -> SessionBegin:
        """The first event, with what the client asked for in the place of what the worker was asked for."""
        config = begin.config and begin.config | {"timing": self._state.requested.timing}
        return replace(begin, config=config, degraded=self._assignment.degraded or begin.degraded)

    def _closed(self, worker: WorkerConnection, told: ServerError | None) -> SessionOutcome | None:
        code = worker.closed.code if worker.closed else None
        if code in LOST:
            self._is_planned = told is not None and told.code == CloseCode.RESTARTING.error
            return None
        if told is not None and told.code not in INTERNAL_ERRORS:
            self._state.events.append(told)
        reason = worker.closed.reason if worker.closed else ""
        return SessionOutcome.by_worker(code, reason, told.code if told else None)

    async def _feed(self, worker: WorkerConnection) -> None:
        """A worker that has closed is reported by the other direction, behind its last events."""
        try:
            await self._feeder.run(worker)
        except SessionError as error:
            log.warning("a worker's connection failed", worker=self.worker_id, why=error.message)
            return
        await asyncio.Event().wait()

    async def _announced(self, announced: asyncio.Event) -> None:
        await announced.wait()
