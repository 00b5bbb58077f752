"""Places given back for certain, even while Redis is away for a moment."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import structlog

from broker.errors import RegistryUnavailable
from broker.records import EndStatus
from broker.router import SessionRouter
from gateway.metrics import GatewayMetrics

log = structlog.stdlib.get_logger(__name__)

RETRY_S: Final = 0.5
KEEP_TRYING_S: Final = 300.0  # after that, the worker's or the broker's own clean-up has to do
MAX_WAITING: Final = 10_000  # sessions that ended while Redis was away; a few MB


@dataclass(frozen=True, slots=True)
class _Release:
    status: EndStatus
    audio_duration: float
    until: float
    done: "asyncio.Future[None]"


class Releases:
    """Gives places back in the background, in order, until Redis has taken each."""

    def __init__(self, router: SessionRouter, metrics: GatewayMetrics) -> None:
        self._router, self._metrics = router, metrics
        self._waiting: OrderedDict[str, _Release] = OrderedDict()
        self._some, self._none = asyncio.Event(), asyncio.Event()
        self._none.set()

    def add(self, session_id: str, status: EndStatus, audio_duration: float) -> "asyncio.Future[None]":
        """Have the session's place given back soon; done when it is. `audio_duration` in seconds."""
        loop = asyncio.get_running_loop()
        release = _Release(status, audio_duration, loop.time() + KEEP_TRYING_S, loop.create_future())
        self._waiting[session_id] = release
        if len(self._waiting) > MAX_WAITING:
            self._give_up(next(iter(self._waiting)))
        self._changed()
        return release.done

    async def run(self) -> None:
        """Work until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await self._some.wait()
            session_id, release = next(iter(self._waiting.items()))
            if await self._try(session_id, release):
                self._forget(session_id)
            elif clock() > release.until:
                self._give_up(session_id)
            else:
                await asyncio.sleep(RETRY_S)
            self._changed()

    async def finish(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until every place is given back."""
        try:
            async with asyncio.timeout(deadline):
                await self._none.wait()
        except TimeoutError:
            log.warning("places not given back: %d", len(self._waiting))

    async def _try(self, session_id: str, release: _Release) -> bool:
        try:
            await self._router.release(session_id, release.status, release.audio_duration)
        except RegistryUnavailable as error:
            log.debug("release session=%s: %s", session_id, error)
            return False
        return True

    def _forget(self, session_id: str) -> None:
        release = self._waiting.pop(session_id, None)
        if release is not None and not release.done.done():
            release.done.set_result(None)

    def _give_up(self, session_id: str) -> None:
        self._forget(session_id)
        log.error("gave up the release of session=%s", session_id)

    def _changed(self) -> None:
        self._metrics.releases.set(len(self._waiting))
        for event, wanted in ((self._some, bool(self._waiting)), (self._none, not self._waiting)):
            event.set() if wanted else event.clear()
