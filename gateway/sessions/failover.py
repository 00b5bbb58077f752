"""A session's workers, one after the other: what the client said in, what they say of it out."""

import asyncio
import time
from typing import Final, Protocol

import structlog

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.concurrency import first_of
from gateway.context import Gateway
from gateway.sessions.audio_feeder import AudioFeeder
from gateway.sessions.event_queue import Event
from gateway.sessions.outcome import SessionOutcome
from gateway.sessions.state import SessionState
from gateway.workers.assignment import WorkerAssignment
from gateway.workers.connection import WorkerConnection, decode_event
from gateway.workers.liveness import Liveness
from gateway.workers.request import seam_query
from runtime.errors import SessionError

log = structlog.stdlib.get_logger(__name__)

GOING_AWAY: Final = 1001
MAX_LOSSES: Final = 3  # workers that one piece of audio may cost
LOST: Final = (None, GOING_AWAY, CloseCode.INTERNAL, CloseCode.RESTARTING)
OURS: Final = (CloseCode.INTERNAL.error, CloseCode.RESTARTING.error)


class SessionCallbacks(Protocol):
    """What the workers of a session need of it."""

    @property
    def is_away(self) -> bool:
        """Whether its client is."""
        ...

    def begun(self) -> None:
        """A worker has it, and its client is about to learn its id."""
        ...

    def complete(self) -> None:
        """Its worker has said all; the client is about to hear so."""
        ...


class Failover:
    """Feeds the worker of now, and finds another one when it is lost."""

    def __init__(
        self, gateway: Gateway, state: SessionState, owner: SessionCallbacks, *, resumed: bool
    ) -> None:
        """`resumed` is whether another gateway had a worker for the session."""
        self._gateway, self._state, self._owner = gateway, state, owner
        self._resumed = resumed
        self._posting = WorkerAssignment(gateway, state.id, state.wish)
        self._pump = AudioFeeder(state.log, state.story)
        self._watch = Liveness()
        self._link: WorkerConnection | None = None
        self._told_lost = False

    @property
    def worker_id(self) -> str:
        """The last one's."""
        return self._posting.worker_id

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        return self._link.latency if self._link else None

    def attend(self) -> None:
        """The client came or went."""
        self._watch.attend()

    async def hear(self, frame: bytes | str) -> None:
        """Take a client's frame; waits while too much is on its way to the worker."""
        heard = self._state.log
        before, heard.messages = heard.end, heard.messages + isinstance(frame, str)
        lost = await self._pump.take(frame)
        if heard.end > before:  # of an empty frame, or half a sample, no worker has anything to say
            self._watch.speak()
        if lost and not self._told_lost:
            self._told_lost = True
            text = f"{lost:.1f} s of audio without a result are not kept"
            self._state.warn("audio_lost", text, seconds=lost)

    async def run(self) -> SessionOutcome:
        """One after the other, until one says that the session has ended.

        Raises:
            NoCapacity: there is no place.
            WorkerUnreachable: two workers can't be reached.
            RegistryUnavailable: Redis is away.
            SessionError: the client is at fault.
        """
        state, ending = self._state, None
        if not self._resumed:
            ending = await self._follow(await self._posting.first(state.log.config, self._queued))
        while ending is None:
            seam = state.story.seam(blame=not self._resumed)
            if state.story.known.losses > MAX_LOSSES:
                return SessionOutcome.error(
                    CloseCode.INTERNAL, "several workers were lost over the same audio"
                )
            state.log.forget(seam.at)
            self._pump.rewind()
            here, self._resumed = not self._resumed, False
            query = seam_query(seam, state.log.clock, state.log.heard)
            link = await self._posting.next(state.log.config, query, here=here)
            if link is None:
                return SessionOutcome.error(
                    CloseCode.INTERNAL, "the worker was lost, and no other has a place"
                )
            ending = await self._follow(link)
        return ending

    def _queued(self, position: int, expected_wait: float | None) -> None:
        event: Event = {"type": "session.queued", "position": position}
        if expected_wait is not None:
            event["expected_wait"] = expected_wait
        self._state.outbox.put(event, 0)

    async def _follow(self, link: WorkerConnection) -> SessionOutcome | None:
        """Feed a worker and pass on what it says; how the session ended, None if the worker was lost."""
        gone = asyncio.Event()
        unsubscribe = self._gateway.worker_lost.subscribe(self.worker_id, gone.set)
        self._link = link
        self._watch.another()
        known = self._state.story.known
        runs = [self._listen(link), self._feed(link), self._announced(gone), self._watch.hung()]
        runs.append(self._watch.client(link, lambda: self._owner.is_away))
        if known.moved:
            runs.append(self._watch.silent(self._gateway.settings.worker_connect_timeout))
        if self._state.wish.config.timing:
            runs.append(link.measure())
        lost = False
        try:
            ending = await first_of(*runs)
            lost = ending is None
        finally:
            unsubscribe()
            self._link = None
            if lost:
                link.abort()  # one that hangs answers no close
            else:
                await link.close(GOING_AWAY)
        if ending is None:
            log.warning("session=%s lost its worker=%s", self._state.id, self.worker_id)
        if ending is None and known.begun:
            self._state.warn("worker_lost", "the worker was lost; another one goes on from the last final")
        return ending

    async def _listen(self, link: WorkerConnection) -> SessionOutcome | None:
        """Always reads: what the client does not take yet waits in the outbox."""
        told = None
        async for frame in link.frames():
            self._watch.hear()
            event = decode_event(frame)
            if event is None:
                self._gateway.metrics.undecodable.inc()
            elif event["type"] == "error" and not event.get("recoverable"):
                told = event
            elif event["type"] == "session.end":
                self._owner.complete()
                self._tell(event, len(frame))
                return SessionOutcome(CloseCode.NORMAL)
            else:
                self._tell(event, len(frame))
        return self._closed(link, told)

    def _tell(self, event: Event, size: int) -> None:
        state = self._state
        shown = state.story.take(event)
        if event["type"] == "session.begin":
            self._begun(shown)
        if "flush_id" in event:
            state.log.answered(event["flush_id"])
        state.log.forget(state.story.settled)
        self._pump.notice()
        if shown is not None:
            self._told_lost = self._told_lost and event["type"] != "transcript.final"
            state.outbox.put(shown, size, time.monotonic())

    def _begun(self, shown: Event | None) -> None:
        if shown is not None and self._posting.degraded:
            shown["degraded"] = True
        self._owner.begun()

    def _closed(self, link: WorkerConnection, told: Event | None) -> SessionOutcome | None:
        code, reason = link.close_code, link.close_reason
        if code in LOST:
            return None
        if told is not None and told["code"] not in OURS:
            self._state.outbox.put(told, 0)
        return SessionOutcome.by_worker(code, reason, told["code"] if told else None)

    async def _feed(self, link: WorkerConnection) -> SessionOutcome | None:
        """A worker that has closed is reported by the other direction, behind its last events."""
        try:
            await self._pump.run(link)
        except SessionError as error:
            log.warning("session=%s worker=%s: %s", self._state.id, self.worker_id, error.message)
            return None
        await asyncio.Event().wait()
        return None

    async def _announced(self, gone: asyncio.Event) -> SessionOutcome | None:
        await gone.wait()
        return None
