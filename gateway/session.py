"""One session, over all of its client's connections and all of its workers."""

import asyncio
import logging
import time
import uuid
from typing import Any, Final

from broker.errors import NoCapacity, RegistryUnavailable
from gateway.admission import Wish
from gateway.audio_log import AudioLog
from gateway.context import Gateway
from gateway.ending import Ending
from gateway.ledger import Ledger
from gateway.link import WorkerLink, WorkerUnreachable, decode_event
from gateway.outbox import Event, Outbox
from gateway.posting import Posting
from gateway.proxy import Connection
from gateway.pump import Pump
from gateway.request import seam_query
from gateway.snapshot import pack, unpack
from gateway.story import Story
from gateway.tasks import first_of
from gateway.watch import Watch
from stages.errors import CloseCode, SessionError

log = logging.getLogger(__name__)

GOING_AWAY: Final = 1001
HANDED_OVER_S: Final = 8.0  # the other gateway renews the place's lease by then
GIVE_BACK_S: Final = 0.1  # for Redis to take a place back; one that is slower does not hold up the end
MAX_LOSSES: Final = 3  # workers that one piece of audio may cost
LOST: Final = (None, GOING_AWAY, CloseCode.INTERNAL, CloseCode.RESTARTING)
OURS: Final = (CloseCode.INTERNAL.error, CloseCode.RESTARTING.error)


class Session:
    """Lives from its admission to its end, with a client connected or not."""

    def __init__(self, gateway: Gateway, wish: Wish, session_id: str | None = None) -> None:
        self.id = session_id or uuid.uuid4().hex
        self.ledger = Ledger()
        self.log = AudioLog(wish.config, self.ledger)
        self.story = Story(self.id, self.ledger)
        self.outbox = Outbox(self.ledger)
        self.ending: Ending | None = None
        self._connection: Connection | None = None
        self.turn = asyncio.Lock()  # of clients that come back
        self.resumed = False  # another gateway began it
        self._gateway, self._wish = gateway, wish
        self._pump = Pump(self.log, self.story)
        self._link: WorkerLink | None = None
        self._posting = Posting(gateway, self.id, wish)
        self._kept = self._elsewhere = self._told_lost = False
        self._given_back: asyncio.Future[None] | None = None  # done when the place is free
        self._over: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._watch = Watch()

    @property
    def connection(self) -> Connection | None:
        """The client's connection, None while it is away."""
        return self._connection

    @connection.setter
    def connection(self, connection: Connection | None) -> None:
        self._connection = connection
        self._watch.attend()

    @property
    def latency(self) -> float | None:
        """The round trip to the worker in seconds, if it is measured."""
        return self._link.latency if self._link else None

    async def ended(self) -> Ending:
        """How the session ended, once it has."""
        await self._ended.wait()
        assert self.ending is not None
        return self.ending

    async def hear(self, frame: bytes | str) -> None:
        """Take a client's frame; waits while too much is on its way to the worker."""
        self.log.messages += isinstance(frame, str)
        lost = await self._pump.take(frame)
        if isinstance(frame, bytes):
            self._watch.speak()
        if lost and not self._told_lost:
            self._told_lost = True
            self.warn("audio_lost", f"{lost:.1f} s of audio without a result are not kept", seconds=lost)

    async def commit(self) -> None:
        """See to it that what is about to be sent is known to other gateways.

        Who hears of the end may begin another session at once: the place is free by then.
        """
        if self._given_back is not None:
            await asyncio.wait([self._given_back], timeout=GIVE_BACK_S)
        elif self._kept and self.ending is None:
            await self._gateway.vault.commit(self.id)

    def fail(self, error: SessionError) -> None:
        """End by a fault of the client."""
        self.finish(Ending.error(error.code, error.message))

    def finish(self, ending: Ending) -> None:
        """End, for a reason that is no worker's."""
        if not self._over.done():
            self._over.set_result(ending)

    def taken_over(self) -> None:
        """Another gateway has the session: this one has nothing more to say about it."""
        self._kept, self._elsewhere = False, True
        self.finish(Ending.error(CloseCode.RESTARTING, "the session goes on at another gateway"))

    def warn(self, code: str, message: str, **figures: Any) -> None:
        """Tell the client."""
        self.outbox.put({"type": "warning", "code": code, "message": message, **figures}, 0)

    @property
    def kept(self) -> bool:
        """Whether a client that lost its connection may come back."""
        return self._kept

    def keep(self) -> None:
        """From now on the session can be gone on with."""
        self._kept = True
        self._gateway.vault.watch(self)

    def clear(self) -> None:
        """It is over: nothing but its last events is of use."""
        self.ledger.clear()
        self.log.clear()

    def prepare(self) -> None:
        """Write the rest of what another gateway needs into the ledger."""
        self.ledger.set("meta", pack(self._wish, self.log, self.story))

    @classmethod
    def restored(cls, gateway: Gateway, session_id: str, fields: dict[str, bytes]) -> "Session":
        """A session that another gateway kept."""
        ledger = Ledger({name: data for name, data in fields.items() if name not in ("owner", "meta")})
        wish, log, story = unpack(session_id, fields["meta"], ledger)
        session = cls(gateway, wish, session_id)
        session.ledger, session.log, session.story = ledger, log, story
        session.outbox = Outbox(ledger)
        session.outbox.restore(time.monotonic())
        session._pump = Pump(log, story)
        session.resumed = True
        return session

    async def run(self) -> None:
        """Live; the end is told to the client, the registry, the log and the metrics."""
        ending = Ending.error(CloseCode.INTERNAL, "cut off")
        try:
            ending = await self._until_end()
        finally:
            self.ending = ending
            await self._leave_place(ending)
            self._ended.set()
        self._report(ending)

    async def _leave_place(self, ending: Ending) -> None:
        gateway = self._gateway
        if ending.code is CloseCode.RESTARTING and self._kept:
            if self.connection is not None:
                await self.connection.part(ending)
            self.outbox.flush(time.monotonic())
            await gateway.vault.hand_over(self)
            gateway.places.hand_over(self.id, gateway.settings.resume_window)
            return
        self.outbox.end(ending.event)
        if self._elsewhere:
            gateway.places.hand_over(self.id, HANDED_OVER_S)
        elif self._given_back is None:
            self._given_back = gateway.places.give_back(self.id, ending.status, self.log.seconds)

    async def _until_end(self) -> Ending:
        try:
            return await first_of(self._work(), self._finished(), self._restart())
        except SessionError as error:
            return Ending.error(error.code, error.message)
        except NoCapacity as refusal:
            return _refused(refusal.message, refusal.retry_after)
        except (RegistryUnavailable, WorkerUnreachable) as error:
            log.warning("session=%s no place: %s", self.id, error)
            return _refused("no worker can be reached", self._gateway.settings.retry_after)
        except Exception:
            log.exception("session=%s failed", self.id)
            return Ending.error(CloseCode.INTERNAL, "a fault of the server")

    async def _finished(self) -> Ending:
        return await self._over

    async def _restart(self) -> Ending:
        await self._gateway.stopping.wait()
        return Ending.error(CloseCode.RESTARTING, "the gateway is going away")

    async def _work(self) -> Ending:
        """One worker after the other, until one says that the session has ended."""
        ending = None
        if not self.resumed:
            ending = await self._follow(await self._posting.first(self.log.config, self._queued))
        while ending is None:
            seam = self.story.seam(blame=not self.resumed)
            if self.story.known.losses > MAX_LOSSES:
                return Ending.error(CloseCode.INTERNAL, "several workers were lost over the same audio")
            self.log.forget(seam.at)
            self._pump.rewind()
            here, self.resumed = not self.resumed, False
            query = seam_query(seam, self.log.clock, self.log.heard)
            link = await self._posting.next(self.log.config, query, here=here)
            if link is None:
                return Ending.error(CloseCode.INTERNAL, "the worker was lost, and no other has a place")
            ending = await self._follow(link)
        return ending

    def _queued(self, position: int, expected_wait: float | None) -> None:
        event: Event = {"type": "session.queued", "position": position}
        if expected_wait is not None:
            event["expected_wait"] = expected_wait
        self.outbox.put(event, 0)

    async def _follow(self, link: WorkerLink) -> Ending | None:
        """Feed a worker and pass on what it says; how the session ended, None if the worker was lost."""
        gone = asyncio.Event()
        unsubscribe = self._gateway.worker_lost.subscribe(self._posting.worker_id, gone.set)
        self._link = link
        self._watch.another()
        runs = [self._listen(link), self._feed(link), self._announced(gone), self._watch.hung()]
        runs.append(self._watch.client(link, lambda: self.connection is None))
        if self.story.known.moved:
            runs.append(self._watch.silent(self._gateway.settings.worker_connect_timeout))
        if self._wish.config.timing:
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
            log.warning("session=%s lost its worker=%s", self.id, self._posting.worker_id)
        if ending is None and self.story.known.begun:
            self.warn("worker_lost", "the worker was lost; another one goes on from the last final")
        return ending

    async def _listen(self, link: WorkerLink) -> Ending | None:
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
                self._given_back = self._gateway.places.give_back(self.id, "ended", self.log.seconds)
                self._tell(event, len(frame))
                return Ending(CloseCode.NORMAL)
            else:
                self._tell(event, len(frame))
        return self._closed(link, told)

    def _tell(self, event: Event, size: int) -> None:
        shown = self.story.take(event)
        if event["type"] == "session.begin":
            self._begun(shown)
        if "flush_id" in event:
            self.log.answered(event["flush_id"])
        self.log.forget(self.story.settled)
        self._pump.notice()
        if shown is not None:
            self._told_lost = self._told_lost and event["type"] != "transcript.final"
            self.outbox.put(shown, size, time.monotonic())

    def _begun(self, shown: Event | None) -> None:
        """The client learns the session's id, with which it may come back."""
        if shown is not None and self._posting.degraded:
            shown["degraded"] = True
        if not self._kept and self._gateway.settings.resume_window:
            self.keep()

    def _closed(self, link: WorkerLink, told: Event | None) -> Ending | None:
        code, reason = link.close_code, link.close_reason
        if code in LOST:
            return None
        if told is not None and told["code"] not in OURS:
            self.outbox.put(told, 0)
        return Ending.by_worker(code, reason, told["code"] if told else None)

    async def _feed(self, link: WorkerLink) -> Ending | None:
        """A worker that has closed is reported by the other direction, behind its last events."""
        try:
            await self._pump.run(link)
        except SessionError as error:
            log.warning("session=%s worker=%s: %s", self.id, self._posting.worker_id, error.message)
            return None
        await asyncio.Event().wait()
        return None

    async def _announced(self, gone: asyncio.Event) -> Ending | None:
        await gone.wait()
        return None

    def _report(self, ending: Ending) -> None:
        metrics = self._gateway.metrics
        metrics.sessions.labels(ending.name).inc()
        metrics.audio.inc(self.log.seconds)
        metrics.dropped_partials.inc(self.outbox.dropped_partials)
        log.info(
            "end session=%s worker=%s audio=%.1fs close=%s reason=%s dropped_partials=%d",
            self.id,
            self._posting.worker_id,
            self.log.seconds,
            "none" if ending.code is None else int(ending.code),
            ending.name,
            self.outbox.dropped_partials,
        )


def _refused(message: str, retry_after: float) -> Ending:
    return Ending.error(CloseCode.NO_CAPACITY, message, retry_after=retry_after)
