"""Says what each account may use at once, in a minute and in a day, and refuses what is more.

The counters are in Redis, for all gateways. While it is away, no session begins for want of a slot, those
that live go on, and other requests are not counted.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Final

from broker.errors import RegistryUnavailable
from broker.usage import UsageCounters, UsageRefusal
from gateway.auth.errors import LimitReached, TooManyRequests, TooManySessions, TooMuchAudio
from gateway.auth.key_directory import KeyDirectory
from gateway.auth.principal import ADDRESS, KeyLimits
from gateway.auth.request_facts import network_of
from gateway.auth.session_leases import SessionLease, SessionLeases
from gateway.metrics import GatewayMetrics
from gateway.settings import GatewaySettings
from runtime.settings import DAY_S

MAX_LABELS: Final = 200  # Names of keys in metrics, each a series; the others are one.
OTHERS: Final = "other"  # How those are called there.
ANONYMOUS: Final = "anonymous"  # How clients without a key are called there.


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """What holds for keys without limits of their own, and for addresses.

    A client that has too many sessions may try again after `retry_after` seconds.
    """

    keys: KeyLimits
    addresses: KeyLimits
    retry_after: float = 5.0

    @classmethod
    def of(cls, settings: GatewaySettings) -> "LimitPolicy":
        """As the settings say; 0 is no limit."""
        return cls(
            KeyLimits(
                sessions=settings.key_sessions or None,
                audio_seconds_per_day=settings.key_audio_per_day or None,
                requests_per_minute=settings.key_requests_per_minute or None,
            ),
            KeyLimits(
                sessions=settings.address_sessions or None,
                audio_seconds_per_day=settings.address_audio_per_day or None,
                requests_per_minute=settings.address_requests_per_minute or None,
            ),
            settings.retry_after,
        )


class UsageLimits:
    """The limits of all accounts, as one gateway enforces them; `now` is the time of day."""

    def __init__(
        self,
        counters: UsageCounters,
        keys: KeyDirectory,
        policy: LimitPolicy,
        metrics: GatewayMetrics,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._counters, self._keys, self._policy = counters, keys, policy
        self._metrics, self._now = metrics, now
        self._labels: set[str] = set()
        self.leases = SessionLeases(counters, metrics, self._on_used)

    def limits_of(self, account: str) -> KeyLimits:
        """What an account may use."""
        if account.startswith(ADDRESS):
            return self._policy.addresses
        key, common = self._keys.get(account), self._policy.keys
        if key is None:
            return common
        own = key.limits
        return KeyLimits(
            sessions=own.sessions or common.sessions,
            audio_seconds_per_day=own.audio_seconds_per_day or common.audio_seconds_per_day,
            requests_per_minute=own.requests_per_minute or common.requests_per_minute,
            resume_window=own.resume_window,
        )

    async def count_request(self, account: str) -> None:
        """Count a request of an account.

        Raises:
            TooManyRequests: it made as many in this minute as it may.
        """
        most = self.limits_of(account).requests_per_minute if account else None
        if most is None:
            return
        try:
            refused = await self._counters.count_request(account, most)
        except RegistryUnavailable:
            return
        if refused is not None:
            used, seconds = refused
            text = f"{used} of {most} requests a minute are used; one comes free in {seconds} s"
            raise self._reached(account, "requests", TooManyRequests, text, float(seconds))

    async def count_failure(self, address: str) -> None:
        """Count a login that failed for its address, as `count_request` does."""
        network = network_of(address)
        await self.count_request(f"{ADDRESS}{network}" if network else "")

    async def open_lease(self, account: str, lease_id: str, *, is_shared: bool = False) -> SessionLease:
        """The place of a new session in its account's count.

        Raises:
            TooManySessions, TooMuchAudio: the account has used what it may.
        """
        limits = self.limits_of(account)
        if account and (limits.sessions or limits.audio_seconds_per_day):
            await self._check(account, lease_id, limits)
        return self._hold(account, lease_id, limits, is_shared=is_shared)

    def adopt_lease(self, account: str, session_id: str, counted: float) -> SessionLease:
        """The place of a session that another gateway had; it is not refused, and counts once."""
        return self._hold(account, session_id, self.limits_of(account), counted=counted)

    async def _check(self, account: str, lease_id: str, limits: KeyLimits) -> None:
        most = limits.sessions, limits.audio_seconds_per_day
        try:
            refusal = await self._counters.open_session(account, lease_id, *most)
        except RegistryUnavailable:  # No slot can be had either, and that is what the client is told.
            return
        if refusal is not None:
            raise self._refused(account, refusal, limits)

    def _hold(
        self, account: str, lease_id: str, limits: KeyLimits, *, counted: float = 0.0, is_shared: bool = False
    ) -> SessionLease:
        if not account:
            return SessionLease(lease_id, limits=limits, is_shared=is_shared)
        label = self._label(account)
        lease = SessionLease(
            lease_id, account, limits, self.leases, counted=counted, is_shared=is_shared, label=label
        )
        self.leases.hold(lease)
        return lease

    def _on_used(self, lease: SessionLease, today: float) -> None:
        most = lease.limits.audio_seconds_per_day
        if most and today >= most and lease.is_running:
            lease.refuse(self._refused(lease.account, UsageRefusal("audio", today), lease.limits))

    def _refused(self, account: str, refusal: UsageRefusal, limits: KeyLimits) -> LimitReached:
        if refusal.limit == "audio":
            left = ceil(DAY_S - self._now() % DAY_S)
            used, most = f"{refusal.used:.0f}", limits.audio_seconds_per_day
            hours = f"{left // 3600} h {left % 3600 // 60} min"
            text = f"{used} of {most} s of audio a day are used; they come free at 00:00 UTC, in {hours}"
            return self._reached(account, "audio", TooMuchAudio, text, float(left))
        text = (
            f"{refusal.used:.0f} of {limits.sessions} sessions at once are used; one comes free when one of"
            " them ends, or its resume window does"
        )
        return self._reached(account, "sessions", TooManySessions, text, self._policy.retry_after)

    def _reached(
        self, account: str, limit: str, kind: type[LimitReached], text: str, retry_after: float
    ) -> LimitReached:
        self._metrics.limits_reached.labels(self._label(account), limit).inc()
        key = self._keys.get(account)
        who = f"the key {key.name!r}" if key else account.replace(ADDRESS, "the address ")
        return kind(f"{who} has reached a limit: {text}", retry_after)

    def _label(self, account: str) -> str:
        """The name of an account in metrics, of which there are not too many."""
        if account.startswith(ADDRESS):
            return ANONYMOUS
        key = self._keys.get(account)
        name = key.name if key else OTHERS
        if name not in self._labels and len(self._labels) >= MAX_LABELS:
            return OTHERS
        self._labels.add(name)
        return name
