"""Checks the REST calls against a scripted server on a real socket."""

import asyncio
from typing import Any

import pytest

from dalston_realtime.client import ProtocolError, RefusedError, UnreachableError, rest
from dalston_realtime.client.errors import ProxyUnusableError
from tests.support.fake_server import fake_server

WORKER = {"worker_id": "w", "status": "ready", "capacity": 4, "active_sessions": 1}


def test_workers() -> None:
    with fake_server(answers={rest.WORKERS: (200, {"workers": [WORKER]})}) as server:
        assert asyncio.run(rest.workers(server.url)) == [WORKER]


def test_models() -> None:
    with fake_server(answers={rest.MODELS: (200, {"models": [{"name": "tiny"}]})}) as server:
        assert asyncio.run(rest.models(server.url)) == [{"name": "tiny"}]


def test_status() -> None:
    with fake_server(answers={rest.STATUS: (200, {"capacity": 4})}) as server:
        assert asyncio.run(rest.status(server.url)) == {"capacity": 4}


@pytest.mark.parametrize("body", [b"<html>", {}, {"workers": "none"}, {"workers": [1]}, []])
def test_an_answer_that_is_not_the_protocol(body: Any) -> None:
    with fake_server(answers={rest.WORKERS: (200, body)}) as server, pytest.raises(ProtocolError):
        asyncio.run(rest.workers(server.url))


def test_a_status_that_is_a_list_is_not_the_protocol() -> None:
    with fake_server(answers={rest.STATUS: (200, [])}) as server, pytest.raises(ProtocolError):
        asyncio.run(rest.status(server.url))


def test_a_refusal_says_its_status_and_message() -> None:
    body = {"error": {"code": "unavailable", "message": "Redis is away"}}
    refusal = pytest.raises(RefusedError)
    with fake_server(answers={rest.WORKERS: (503, body)}) as server, refusal as caught:
        asyncio.run(rest.workers(server.url))

    assert str(caught.value) == "the server refused (HTTP 503 unavailable): Redis is away"


def test_nobody_there() -> None:
    with fake_server() as server:
        url = server.url
    with pytest.raises(UnreachableError, match="connection failed"):
        asyncio.run(rest.workers(url))


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://proxy"])
def test_a_proxy_that_can_not_be_used_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("all_proxy", proxy)

    with pytest.raises(ProxyUnusableError, match=r"the proxy of the environment .* NO_PROXY"):
        asyncio.run(rest.status("ws://host.invalid"))
    with pytest.raises(UnreachableError):  # no proxy is asked for this host
        asyncio.run(rest.status("ws://127.0.0.1:1"))
