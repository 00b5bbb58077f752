"""Releases slots for certain, even while Redis is away for a moment."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from broker.errors import RegistryUnavailable
from broker.records import EndStatus
from broker.router import SessionRouter
from gateway.metrics import GatewayMetrics
from runtime.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReleaseLimits:
    """How long and how many releases are tried again.

    - retry: seconds between two tries.
    - keep_trying: seconds, after which the worker's or the broker's own clean-up has to do.
    - waiting: sessions that ended while Redis was away; they take a few MB.
    """

    retry: float = 0.5
    keep_trying: float = 300.0
    waiting: int = 10_000


@dataclass(frozen=True, slots=True)
class _Release:
    status: EndStatus
    audio_duration: float
    until: float
    done: "asyncio.Future[None]"


class Releases:
    """Releases slots in the background, in order, until Redis has taken each."""

    def __init__(
        self, router: SessionRouter, metrics: GatewayMetrics, limits: ReleaseLimits | None = None
    ) -> None:
        self._router, self._metrics, self._limits = router, metrics, limits or ReleaseLimits()
        self._waiting: OrderedDict[str, _Release] = OrderedDict()
        self._some, self._none = asyncio.Event(), asyncio.Event()
        self._none.set()

    def enqueue(self, session_id: str, status: EndStatus, audio_duration: float) -> "asyncio.Future[None]":
        """Have the session's slot released soon; done when it is. `audio_duration` is in seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._limits.keep_trying
        release = _Release(status, audio_duration, until, loop.create_future())
        self._waiting[session_id] = release
        if len(self._waiting) > self._limits.waiting:
            self._give_up(next(iter(self._waiting)))
        self._changed()
        return release.done

    async def run(self) -> None:
        """Release until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._some.wait()
            session_id, release = next(iter(self._waiting.items()))
            if await self._try(session_id, release):
                self._forget(session_id)
            elif clock() > release.until:
                self._give_up(session_id)
            else:
                await asyncio.sleep(self._limits.retry)
            self._changed()

    async def wait_done(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every slot is released."""
        try:
            async with asyncio.timeout(deadline):
                await self._none.wait()
        except TimeoutError:
            log.warning("slots not released: %d", len(self._waiting))

    async def _try(self, session_id: str, release: _Release) -> bool:
        try:
            await self._router.release(session_id, release.status, release.audio_duration)
        except RegistryUnavailable as error:
            log.debug("not released yet: %s", error, session=session_id)
            return False
        return True

    def _forget(self, session_id: str) -> None:
        release = self._waiting.pop(session_id, None)
        if release is not None and not release.done.done():
            release.done.set_result(None)

    def _give_up(self, session_id: str) -> None:
        self._forget(session_id)
        log.error("a slot is not released, its lease runs out", session=session_id)

    def _changed(self) -> None:
        self._metrics.releases.set(len(self._waiting))
        for event, wanted in ((self._some, bool(self._waiting)), (self._none, not self._waiting)):
            event.set() if wanted else event.clear()
