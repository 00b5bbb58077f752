"""What an account may use, what it is told beyond that, and what of it metrics show."""

import asyncio
from typing import cast

import pytest
from starlette.requests import HTTPConnection

from broker.usage import UsageCounters
from gateway.auth.errors import LimitReached, TooManyRequests, TooManySessions, TooMuchAudio, Unauthorized
from gateway.auth.principal import KeyLimits
from gateway.auth.request_facts import network_of
from gateway.auth.request_guard import RequestGuard
from gateway.auth.session_leases import SessionLease
from gateway.auth.usage_limits import MAX_LABELS, LimitPolicy, UsageLimits
from gateway.metrics import GatewayMetrics
from gateway.settings import GatewaySettings
from runtime.settings import read_settings
from tests.support.auth_parts import MemoryKeys, authenticator, connection, key_directory
from tests.support.memory_counters import MemoryCounters

POLICY = LimitPolicy(KeyLimits(), KeyLimits(sessions=1, requests_per_minute=2), 7.0)
FAR = "address:192.0.2.1"


class LimitTrial:
    """Limits on counters in memory, at 22:30 UTC."""

    def __init__(self, policy: LimitPolicy = POLICY) -> None:
        self.keys, self.counters, self.metrics = MemoryKeys(), MemoryCounters(), GatewayMetrics()
        self.directory = key_directory(self.keys)
        counters = cast(UsageCounters, self.counters)
        self.limits = UsageLimits(counters, self.directory, policy, self.metrics, lambda: 22.5 * 3600)

    async def make(self, name: str = "phone", **limits: int) -> str:
        """The account of a new key."""
        key, _ = self.keys.create(name, limits=KeyLimits(**limits))
        await self.directory.look()
        return key.id

    async def refused(self, account: str) -> LimitReached:
        """With what a new session is refused."""
        with pytest.raises(LimitReached) as refused:
            await self.limits.open_lease(account, "more")
        return refused.value


def test_sessions_beyond_the_limit_are_told_what_is_used_and_when_to_come_back() -> None:
    async def main() -> None:
        trial = LimitTrial()
        account = await trial.make(sessions=2)
        leases = [await trial.limits.open_lease(account, name) for name in "ab"]
        refused = await trial.refused(account)
        assert isinstance(refused, TooManySessions)
        assert "the key 'phone' has reached a limit: 2 of 2 sessions at once" in refused.message
        assert (refused.reply.status_code, refused.reply.headers["retry-after"]) == (429, "7")
        assert trial.metrics.samples()["dalston_gateway_key_sessions"] == {"phone": 2}
        leases[0].end_session()
        await trial.limits.leases.report()
        await leases[0].wait_released(60)
        await trial.limits.open_lease(account, "c")
        reached = trial.metrics.scrape().decode()
        assert 'dalston_gateway_limits_reached_total{key="phone",limit="sessions"} 1.0' in reached

    asyncio.run(main())


def test_audio_of_the_day_ends_the_session_and_refuses_others_until_midnight() -> None:
    async def main() -> None:
        trial, told = LimitTrial(), list[LimitReached]()
        account = await trial.make(audio_seconds_per_day=60)
        lease = await trial.limits.open_lease(account, "a")
        heard = [59.9]
        lease.follow_session(lambda: heard[0], told.append)
        await trial.limits.leases.report()
        assert told == []
        heard[0] = 61.0
        await trial.limits.leases.report()
        assert isinstance(told[0], TooMuchAudio)
        assert (
            "61 of 60 s of audio a day are used; they come free at 00:00 UTC, in 1 h 30 min"
            in told[0].message
        )
        assert told[0].retry_after == 5400
        await trial.limits.leases.report()
        assert len(told) == 1
        lease.end_session()
        assert isinstance(await trial.refused(account), TooMuchAudio)
        assert trial.metrics.samples()["dalston_gateway_key_audio_seconds_total"] == {"phone": 61.0}

    asyncio.run(main())


def test_a_connection_counts_the_audio_of_all_its_sessions_and_one_session_at_once() -> None:
    async def main() -> None:
        trial = LimitTrial()
        account = await trial.make(sessions=1)
        lease = await trial.limits.open_lease(account, "a", is_shared=True)
        for seconds in (2.0, 3.0):
            lease.follow_session(lambda seconds=seconds: seconds, lambda _: None)  # type: ignore[misc]
            await trial.limits.leases.report()
            lease.end_session()
        assert await trial.counters.read([account]) == [await one(1, 5.0)]
        lease.release()
        lease.release()
        await trial.limits.leases.report()
        assert await trial.counters.read([account]) == [await one(0, 5.0)]

    async def one(sessions: int, audio: float) -> object:
        from broker.usage import AccountUsage

        return AccountUsage(sessions, audio)

    asyncio.run(main())


def test_a_session_that_another_gateway_had_counts_what_is_new() -> None:
    async def main() -> None:
        trial = LimitTrial()
        account = await trial.make(sessions=1, audio_seconds_per_day=60)
        await trial.limits.open_lease(account, "a")
        lease = trial.limits.adopt_lease(account, "b", 600.0)  # It is not refused.
        lease.follow_session(lambda: 601.0, lambda _: None)
        await trial.limits.leases.report()
        assert trial.counters.audio[account] == 1.0
        lease.drop()
        lease.drop()
        assert trial.metrics.samples()["dalston_gateway_key_sessions"] == {"phone": 1}

    asyncio.run(main())


def test_without_redis_nobody_is_refused_and_what_was_left_is_told_later() -> None:
    async def main() -> None:
        trial = LimitTrial()
        account = await trial.make(sessions=1, requests_per_minute=1)
        trial.counters.is_away = True
        for name in "ab":
            await trial.limits.count_request(account)
            lease = await trial.limits.open_lease(account, name)
        running = asyncio.create_task(trial.limits.leases.run())
        lease.release()
        await asyncio.sleep(0)
        trial.counters.is_away = False
        await trial.limits.leases.report()
        await trial.limits.leases.wait_settled(60)
        assert [each.lease for each in trial.counters.reports[0]] == [8.0, 0.0]
        running.cancel()

    asyncio.run(main())


def test_who_is_not_counted_has_a_place_without_an_account() -> None:
    async def main() -> None:
        trial = LimitTrial()
        lease: SessionLease = await trial.limits.open_lease("", "a")
        lease.release()
        await lease.wait_released(60)
        await trial.limits.leases.report()
        assert trial.counters.reports == []

    asyncio.run(main())


def test_a_key_without_a_limit_has_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY_SESSIONS", "KEY_AUDIO_PER_DAY", "KEY_REQUESTS_PER_MINUTE"):
        monkeypatch.setenv(f"DALSTON_{name}", "5")
    monkeypatch.setenv("DALSTON_ADDRESS_SESSIONS", "0")

    async def main() -> None:
        trial = LimitTrial(LimitPolicy.of(read_settings(GatewaySettings)))
        account = await trial.make(sessions=9)
        found = trial.limits.limits_of(account)
        assert (found.sessions, found.audio_seconds_per_day, found.requests_per_minute) == (9, 5, 5)
        assert trial.limits.limits_of(FAR) == KeyLimits(requests_per_minute=1200)

    asyncio.run(main())


def test_metrics_have_a_bounded_number_of_names() -> None:
    async def main() -> None:
        trial = LimitTrial()
        for number in range(MAX_LABELS + 5):
            await trial.limits.open_lease(await trial.make(f"key {number}"), f"{number}")
        await trial.limits.open_lease(FAR, "far")
        shown = trial.metrics.samples()["dalston_gateway_key_sessions"]
        assert (len(shown), shown["other"], shown["anonymous"]) == (MAX_LABELS + 2, 5, 1)

    asyncio.run(main())


def test_requests_are_counted_by_key_and_by_address_and_failed_logins_too() -> None:
    trial = LimitTrial()

    async def main() -> None:
        key, secret = trial.keys.create(limits=KeyLimits(requests_per_minute=1))
        guard = RequestGuard(authenticator(trial.keys, is_off=False), limits=trial.limits)
        await trial.directory.look()
        mine = connection(("Authorization", f"Bearer {secret}"), client="192.0.2.9")
        assert (await guard.admit(mine, "history")).account == key.id
        with pytest.raises(TooManyRequests) as refused:
            await guard.admit(mine, "history")
        assert "1 of 1 requests a minute are used; one comes free in 60 s" in refused.value.message
        wrong = connection(("Authorization", "Bearer dk_wrong"), client="192.0.2.1")
        for error in (Unauthorized, Unauthorized, TooManyRequests):
            with pytest.raises(error):
                await guard.admit(wrong, "history")
        for _ in range(3):  # This machine's address is not limited.
            with pytest.raises(Unauthorized):
                await guard.admit(connection(("Authorization", "Bearer dk_wrong")), "history")

    async def anonymous(asked: HTTPConnection) -> str:
        guard = RequestGuard(authenticator(is_off=True), limits=trial.limits)
        return (await guard.admit(asked, "history")).account

    asyncio.run(main())
    assert asyncio.run(anonymous(connection(client="192.0.2.2"))) == "address:192.0.2.2"
    assert asyncio.run(anonymous(connection())) == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("2001:db8::ffff", "2001:db8::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("unknown", ""),
    ],
)
def test_one_client_is_an_ipv4_address_or_a_network_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
