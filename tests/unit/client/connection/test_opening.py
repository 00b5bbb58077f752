"""Checks how often and for how long a lost connection is tried again, by a clock of the test."""

import asyncio
import errno
from collections.abc import Iterable
from typing import cast

import pytest
from websockets.asyncio.client import ClientConnection

from dalston_realtime.client.connection.opening import open_connection, reopen
from dalston_realtime.client.errors import ClientError, ProxyUnusableError, RefusedError, UnreachableError
from tests.support.client_clock import HandClock

AWAY = UnreachableError("ws://host", "connection refused")
STARTING = RefusedError(503, "restarting", "the gateway is going away")
FORGOTTEN = RefusedError(404, "unknown_session", "no such session")
CONNECTION = cast(ClientConnection, object())


def play(
    outcomes: Iterable[ClientError | ClientConnection], seconds: float = 30.0, jitter: float = 1.0
) -> tuple[ClientConnection | None, list[float]]:
    """What came of the tries, and the pauses before them; `jitter` is the part of each that is waited."""
    tries = iter(outcomes)

    async def connect() -> ClientConnection:
        outcome = next(tries)
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    clock = HandClock()
    found = asyncio.run(reopen(connect, seconds, clock, lambda low, high: jitter))
    return found, [round(pause, 3) for pause in clock.pauses]


def test_a_server_that_comes_back_is_found() -> None:
    assert play([AWAY, STARTING, CONNECTION]) == (CONNECTION, [0.1, 0.2, 0.4])


def test_the_pauses_grow_to_two_seconds_and_end_with_the_time() -> None:
    assert play([AWAY] * 20, seconds=10.0) == (None, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0])


def test_chance_shortens_each_pause() -> None:
    assert play([AWAY, AWAY, CONNECTION], jitter=0.5) == (CONNECTION, [0.05, 0.1, 0.2])


def test_a_refusal_that_will_stay_is_no_reason_to_wait() -> None:
    assert play([FORGOTTEN, CONNECTION]) == (None, [0.1])


def test_without_time_nothing_is_tried() -> None:
    assert play([CONNECTION], seconds=0.0) == (None, [])


def test_an_error_that_is_not_expected_is_not_swallowed() -> None:
    with pytest.raises(ClientError, match="odd"):
        play([ClientError("odd")])


def test_a_name_with_two_addresses_that_both_refuse_is_refused_in_two_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        refusals = [
            OSError(errno.ECONNREFUSED, f"Connect call failed {address}")
            for address in (("::1", 1, 0, 0), ("127.0.0.1", 1))
        ]
        raise OSError(f"Multiple exceptions: {', '.join(map(str, refusals))}")

    monkeypatch.setattr("dalston_realtime.client.connection.opening.connect", refuse)

    with pytest.raises(UnreachableError, match=r"ws://localhost:1 \(connection refused\)"):
        asyncio.run(open_connection("ws://localhost:1/", "ws://localhost:1", None))


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "127.0.0.1:1", "proxy:3128", "ftp://proxy"])
def test_a_proxy_that_can_not_be_used_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("https_proxy", proxy)

    with pytest.raises(ProxyUnusableError, match=r"the proxy of the environment .* NO_PROXY"):
        asyncio.run(open_connection("wss://host.invalid/", "wss://host.invalid", None))
    with pytest.raises(UnreachableError):  # no proxy is asked for this host
        asyncio.run(open_connection("ws://127.0.0.1:1/", "ws://127.0.0.1:1", None))
