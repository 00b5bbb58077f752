"""Reports what the live sessions of this gateway use to Redis every few seconds, all in one call.

A session counts against its account until its lease is released. One whose gateway is killed counts no more
when the lease runs out.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from broker.errors import RegistryUnavailable
from broker.store.scripts import LEASE_MS
from broker.usage import UsageCounters, UsageReport
from gateway.auth.errors import LimitReached
from gateway.auth.principal import NO_LIMITS, KeyLimits
from gateway.metrics import GatewayMetrics

REPORT_S: Final = 2.5  # Seconds between two reports: three fit into a lease of 8 s.
MAX_LEAVING: Final = 10_000  # Leases that end while Redis is away; of more, Redis learns when they run out.

EndSession = Callable[[LimitReached], None]


class SessionLease:
    """The place of one session, or of a connection with one session after the other, in its account's count.

    It belongs to the session that begins with it, and ends with that; one that `is_shared` belongs to a
    connection. So many seconds of its audio are `counted` for certain. Without an account, nothing is.
    """

    def __init__(
        self,
        lease_id: str,
        account: str = "",
        limits: KeyLimits = NO_LIMITS,
        leases: "SessionLeases | None" = None,
        *,
        counted: float = 0.0,
        is_shared: bool = False,
        label: str = "",
    ) -> None:
        """`label` is what metrics call the account."""
        self.id, self.account, self.limits, self.label = lease_id, account, limits, label
        self.counted, self.is_shared = counted, is_shared
        self._leases = leases
        self._begun = asyncio.get_running_loop().time()
        self._earlier = 0.0  # Seconds of the sessions that are over.
        self._measure: Callable[[], float] | None = None
        self._end_session: EndSession | None = None
        self._left: asyncio.Future[None] | None = None

    @property
    def audio(self) -> float:
        """Seconds of audio of all its sessions."""
        return self._earlier + (self._measure() if self._measure else 0.0)

    def seconds_left(self, most: float | None) -> float | None:
        """Seconds for a session that begins now, where there may be `most` of them with this lease."""
        return None if most is None else max(0.0, most - asyncio.get_running_loop().time() + self._begun)

    def follow_session(self, seconds: Callable[[], float], end: EndSession) -> None:
        """Count the `seconds` of a session, and `end` it when the account has used what it may."""
        self._measure, self._end_session = seconds, end

    def end_session(self) -> None:
        """The session is over, and its seconds stay as they are."""
        self._earlier, self._measure, self._end_session = self.audio, None, None
        if not self.is_shared:
            self.release()

    @property
    def is_running(self) -> bool:
        """Whether a session runs that was not refused to go on."""
        return self._end_session is not None

    def refuse(self, reached: LimitReached) -> None:
        """End the session that runs: its account has used what it may."""
        end, self._end_session = self._end_session, None
        if end is not None:
            end(reached)

    def release(self) -> None:
        """Count no more."""
        self.hand_over(0.0)

    def hand_over(self, seconds: float) -> None:
        """Leave it, for so many seconds from now, to another gateway that takes the session over."""
        if self._leases is not None and self._left is None:
            self._left = self._leases.leave(self, seconds)

    def drop(self) -> None:
        """Another gateway has the session, and counts it."""
        if self._leases is not None and self._left is None:
            self._leases.forget(self)

    async def wait_released(self, seconds: float) -> None:
        """Wait until Redis knows that it is released, at most so long."""
        if self._left is not None:
            await asyncio.wait([self._left], timeout=seconds)


class SessionLeases:
    """The leases of all sessions of a gateway that count against an account."""

    def __init__(
        self,
        counters: UsageCounters,
        metrics: GatewayMetrics,
        on_used: Callable[[SessionLease, float], None],
    ) -> None:
        """`on_used` gets a lease, and the seconds of audio that its account used today."""
        self._counters, self._metrics, self._on_used = counters, metrics, on_used
        self._held: dict[str, SessionLease] = {}
        self._leaving: dict[str, tuple[SessionLease, float, asyncio.Future[None]]] = {}
        self._wanted = asyncio.Event()

    def hold(self, lease: SessionLease) -> None:
        """Report what it uses from now on."""
        self._held[lease.id] = lease
        self._metrics.key_sessions.labels(lease.label).inc()

    def leave(self, lease: SessionLease, seconds: float) -> "asyncio.Future[None]":
        """Report it for the last time, soon; it counts for so many seconds more. Done when Redis knows."""
        self.forget(lease)
        told = asyncio.get_running_loop().create_future()
        self._leaving[lease.id] = lease, seconds, told
        self._wanted.set()
        return told

    def forget(self, lease: SessionLease) -> None:
        """Report it no more."""
        if self._held.pop(lease.id, None) is not None:
            self._metrics.key_sessions.labels(lease.label).dec()

    async def run(self) -> None:
        """Report until cancelled: what is left at once, all the others every few seconds."""
        clock = asyncio.get_running_loop().time
        due = clock() + REPORT_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wanted.wait()
            self._wanted.clear()
            is_due = clock() >= due
            due = clock() + REPORT_S if is_due else due
            with suppress(RegistryUnavailable):  # Then all of it is in the next report.
                await self.report(is_due)

    async def report(self, with_held: bool = True) -> None:
        """Report what was left, and all that is held.

        Raises:
            RegistryUnavailable: Redis is away.
        """
        leaving = list(self._leaving.values())
        held = list(self._held.values()) if with_held else []
        leases = [*held, *(lease for lease, *_ in leaving)]
        times = [*(LEASE_MS / 1000 for _ in held), *(seconds for _, seconds, _ in leaving)]
        reports = [
            UsageReport(each.account, each.id, each.audio, each.counted, seconds)
            for each, seconds in zip(leases, times, strict=True)
        ]
        if not reports:
            return
        try:
            used = await self._counters.report(reports)
        except RegistryUnavailable:
            if len(self._leaving) > MAX_LEAVING:
                self._settle(leaving)
            raise
        for lease, reported, today in zip(leases, reports, used, strict=True):
            self._metrics.key_audio.labels(lease.label).inc(max(0.0, reported.audio - lease.counted))
            lease.counted = reported.audio
            self._on_used(lease, today)
        self._settle(leaving)

    async def wait_settled(self, deadline: float) -> None:
        """Wait up to `deadline` seconds until all that was left is reported."""
        waiting = [told for _, _, told in self._leaving.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=deadline)

    def _settle(self, leaving: "list[tuple[SessionLease, float, asyncio.Future[None]]]") -> None:
        for lease, _, told in leaving:
            self._leaving.pop(lease.id, None)
            if not told.done():
                told.set_result(None)
