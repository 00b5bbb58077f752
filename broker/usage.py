"""Counts in Redis what each account uses, for all gateways together: sessions, audio of the day, requests.

An account is whose use is limited: a key by its id, or an address of clients without one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from broker.store.scripts import LEASE_MS, Scripts


@dataclass(frozen=True, slots=True)
class UsageRefusal:
    """Which limit an account has reached, and how much of it is used: sessions, or seconds of audio."""

    limit: Literal["sessions", "audio"]
    used: float


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What one session has used since it began.

    `audio` are its seconds of audio, of which `counted` are counted for certain. It counts for its account
    for `lease` seconds more; 0: it is over.
    """

    account: str
    session_id: str
    audio: float
    counted: float
    lease: float = LEASE_MS / 1000


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What an account uses: sessions now, and seconds of audio since midnight UTC."""

    sessions: int
    audio: float


class UsageCounters:
    """The counters in one Redis. Every call may raise `RegistryUnavailable` within about a second."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def open_session(
        self, account: str, session_id: str, most: int | None, most_audio: int | None
    ) -> UsageRefusal | None:
        """Have a session count for an account; why it must not begin, or None.

        `most` are sessions at once, `most_audio` seconds of audio a day.
        """
        answer, used = await self._scripts.run(
            "usage_open", account, session_id, LEASE_MS, most or 0, 1000 * (most_audio or 0)
        )
        match answer:
            case "sessions":
                return UsageRefusal("sessions", used)
            case "audio":
                return UsageRefusal("audio", used / 1000)
        return None

    async def report(self, reports: Sequence[UsageReport]) -> list[float]:
        """Count what sessions used; for each the seconds of audio that its account used today."""
        packed = [
            argument
            for each in reports
            for argument in (
                each.account,
                each.session_id,
                int(each.audio * 1000),
                int(each.counted * 1000),
                int(each.lease * 1000),
            )
        ]
        return [used / 1000 for used in await self._scripts.run("usage_report", *packed)]

    async def count_request(self, account: str, most: int) -> tuple[int, int] | None:
        """Count a request, unless there were `most` of them in the last minute.

        Then how many there were, and the seconds until one may be made.
        """
        may_ask, used, seconds = await self._scripts.run("usage_request", account, most)
        return None if may_ask else (used, seconds)

    async def read(self, accounts: Sequence[str]) -> list[AccountUsage]:
        """What these accounts use."""
        answer = await self._scripts.run("usage_read", LEASE_MS, *accounts)
        return [AccountUsage(sessions, audio / 1000) for sessions, audio in answer]
