"""Counts what accounts use, without Redis."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from broker.errors import RegistryUnavailable
from broker.usage import AccountUsage, UsageRefusal, UsageReport


class MemoryCounters:
    """The counters of one day; `is_away` has Redis away."""

    def __init__(self) -> None:
        self.is_away = False
        self.sessions: defaultdict[str, set[str]] = defaultdict(set)
        self.audio: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.reports: list[Sequence[UsageReport]] = []

    async def open_session(
        self, account: str, session_id: str, most: int | None, most_audio: int | None
    ) -> UsageRefusal | None:
        """Count a session."""
        self._check()
        if most and len(self.sessions[account]) >= most:
            return UsageRefusal("sessions", len(self.sessions[account]))
        if most_audio and self.audio[account] >= most_audio:
            return UsageRefusal("audio", self.audio[account])
        self.sessions[account].add(session_id)
        return None

    async def report(self, reports: Sequence[UsageReport]) -> list[float]:
        """Count audio."""
        self._check()
        self.reports.append(reports)
        for each in reports:
            self.audio[each.account] += each.audio - each.counted  # type: ignore[assignment]
            change = set.add if each.lease else set.discard
            change(self.sessions[each.account], each.session_id)
        return [self.audio[each.account] for each in reports]

    async def count_request(self, account: str, most: int) -> tuple[int, int] | None:
        """Count a request; all of them are made in one minute."""
        self._check()
        if self.requests[account] >= most:
            return self.requests[account], 60
        self.requests[account] += 1
        return None

    async def read(self, accounts: Sequence[str]) -> list[AccountUsage]:
        """What is counted."""
        self._check()
        return [AccountUsage(len(self.sessions[each]), self.audio[each]) for each in accounts]

    def _check(self) -> None:
        if self.is_away:
            raise RegistryUnavailable("away")
