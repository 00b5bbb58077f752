"""Tests in a real Redis that what accounts use is counted once, against a model in Python."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.store.scripts import LEASE_MS, Scripts
from broker.usage import AccountUsage, UsageCounters, UsageReport
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_cluster import AnyRedis
from tests.support.redis_fixture import RedisServer

T = TypeVar("T")
ACCOUNTS: Final = ("key_1", "address:2001:db8::/64")
MOST, MOST_AUDIO = 2, 5


def count(url: str, main: Callable[[UsageCounters, Scripts], Awaitable[T]]) -> T:
    """Run a test on counters in the Redis at `url`."""

    async def run() -> T:
        scripts = Scripts(url, DEADLINE_S)
        try:
            return await main(UsageCounters(scripts), scripts)
        finally:
            await scripts.close()

    return asyncio.run(run())


Step = tuple[str, str, str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "report", "close", "again"]),
        st.sampled_from(ACCOUNTS),
        st.sampled_from("abc"),
        st.integers(0, 2),
    ),
    max_size=20,
)


class UsageModel:
    """What must be counted; a session's audio grows, and reports may be repeated."""

    def __init__(self) -> None:
        self.live: defaultdict[str, set[str]] = defaultdict(set)
        self.audio: defaultdict[str, int] = defaultdict(int)
        self.heard: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.counted: defaultdict[tuple[str, str], int] = defaultdict(int)

    def open(self, account: str, session: str) -> str | None:
        """Why a session may not begin."""
        if session not in self.live[account]:
            if len(self.live[account]) >= MOST:
                return "sessions"
            if self.audio[account] >= MOST_AUDIO:
                return "audio"
        self.live[account].add(session)
        return None

    def report(self, account: str, session: str, seconds: int, *, ends: bool) -> UsageReport | None:
        """What is reported of a session that is live, whose audio grew."""
        if session not in self.live[account]:
            return None
        at = account, session
        before = self.counted[at]
        self.heard[at] += seconds
        self.audio[account] += self.heard[at] - before
        self.counted[at] = self.heard[at]
        if ends:
            self.live[account].discard(session)
        return UsageReport(account, session, self.heard[at], before, 0.0 if ends else LEASE_MS / 1000)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_use_is_counted_as_the_model_says(shared_redis: RedisServer, steps: list[Step]) -> None:
    async def main(counters: UsageCounters, _scripts: Scripts) -> None:
        model = UsageModel()
        run = f"{id(steps)}:{len(steps)}:{asyncio.get_running_loop().time()}:"
        for what, account, session, seconds in steps:
            if what == "open":
                refused = await counters.open_session(run + account, session, MOST, MOST_AUDIO)
                assert (refused.limit if refused else None) == model.open(account, session)
            elif (report := model.report(account, session, seconds, ends=what == "close")) is not None:
                asked = UsageReport(run + account, *list_of(report))
                for _ in range(2 if what == "again" else 1):
                    assert await counters.report([asked]) == [model.audio[account]]
            expected = [AccountUsage(len(model.live[each]), model.audio[each]) for each in ACCOUNTS]
            assert await counters.read([run + each for each in ACCOUNTS]) == expected

    count(shared_redis.url, main)


def list_of(report: UsageReport) -> tuple[str, float, float, float]:
    """All of a report but its account."""
    return report.session_id, report.audio, report.counted, report.lease


def test_sessions_of_a_lost_gateway_count_no_more_and_keep_nothing(any_redis: AnyRedis) -> None:
    async def main(counters: UsageCounters, scripts: Scripts) -> None:
        await scripts.run("sessions")  # Redis is known to be there.
        await scripts.run("usage_open", "key", "lost", 0, 1, 0)
        await counters.report([UsageReport("key", "left", 3.5, 1.0, 0.001)])
        await asyncio.sleep(0.002)
        assert await scripts.run("usage_open", "key", "new", 0, 1, 0) == ["open", 1]
        assert await counters.open_session("key", "more", 1, None) is not None
        assert (await counters.read(["key"]))[0].audio == 2.5

    count(any_redis.url, main)


def test_of_a_session_that_is_over_nothing_is_counted_again(any_redis: AnyRedis) -> None:
    async def main(counters: UsageCounters, _scripts: Scripts) -> None:
        assert await counters.open_session("key", "a", 1, 1) is None
        assert await counters.open_session("key", "a", 1, 1) is None  # The same again changes nothing.
        ended = UsageReport("key", "a", 2.0, 0.5, 0.0)
        for _ in range(2):
            assert await counters.report([ended]) == [1.5]

    count(any_redis.url, main)


@pytest.mark.parametrize("most", [1, 3])
def test_requests_of_a_minute_are_counted_also_at_the_same_time(any_redis: AnyRedis, most: int) -> None:
    async def main(counters: UsageCounters, _scripts: Scripts) -> None:
        asked = await asyncio.gather(*(counters.count_request("key", most) for _ in range(6)))
        assert asked.count(None) == most
        refused: Any = next(each for each in asked if each)
        assert refused[0] == most
        assert 0 < refused[1] <= 60
        assert await counters.count_request("other", most) is None

    count(any_redis.url, main)
