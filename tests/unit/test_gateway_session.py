"""A session whose surroundings are played by hand: what no real worker or client would do on demand."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.websockets import WebSocketDisconnect

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation
from gateway.admission import Wish
from gateway.context import Gateway
from gateway.session import Session
from gateway.settings import GatewaySettings
from stages.parameters import SessionConfig


class FakeClient:
    """A client that notes what it is sent; `failure` is what sending raises."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self._failure = failure

    async def send_text(self, text: str) -> None:
        """One event."""
        if self._failure:
            raise self._failure
        self.events.append(orjson.loads(text))

    async def close(self, code: int, reason: str) -> None:
        """The end."""
        if self._failure:
            raise self._failure
        self.closed = code, reason


class FakeRouter:
    """A router whose next answers are set by hand."""

    def __init__(self, *answers: Allocation | Exception) -> None:
        self.answers = list(answers)
        self.avoided: list[tuple[str, ...]] = []
        self.available = True

    async def allocate(
        self, _session: str, _model: str, _language: str, avoid: tuple[str, ...]
    ) -> Allocation:
        """The next answer."""
        self.avoided.append(avoid)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def serve(client: Any, router: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[Gateway, list[str]]:
    """Serve a client to its end; the gateway, and the status of each place that was given back."""

    async def main() -> tuple[Gateway, list[str]]:
        gateway = Gateway(GatewaySettings(redis_url="unix:///nowhere"))
        released: list[str] = []
        gateway.router = router
        monkeypatch.setattr(gateway.releases, "add", lambda _id, status, _s: released.append(status))
        async with asyncio.timeout(5):
            await Session(gateway, client, Wish(SessionConfig(), "")).run()
        return gateway, released

    return asyncio.run(main())


NOWHERE = Allocation("w1", "ws://127.0.0.1:1", "tiny")


def test_a_fault_of_ours_costs_one_session(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient()
    gateway, released = serve(client, FakeRouter(ZeroDivisionError("a bug")), monkeypatch)
    assert client.events == [
        {
            "type": "error",
            "code": "internal",
            "message": "a fault of the server",
            "recoverable": False,
            "seq": 1,
        }
    ]
    assert client.closed == (1011, "internal")
    assert released == ["error"]
    assert "ZeroDivisionError" in caplog.text
    assert b'dalston_gateway_sessions_total{reason="internal"} 1.0' in gateway.metrics.scrape()


def test_a_client_without_a_place_holds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    _, released = serve(client, FakeRouter(NoCapacity("all places are taken", 7.0)), monkeypatch)
    assert client.events[0]["retry_after"] == 7.0
    assert client.closed == (4503, "no_capacity")
    assert released == []


def test_a_place_that_may_have_been_given_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    _, released = serve(client, FakeRouter(RegistryUnavailable("no answer")), monkeypatch)
    assert client.events[0]["message"] == "no worker can be reached"
    assert client.closed == (4503, "no_capacity")
    assert released == ["error"]


def test_two_workers_are_tried_and_not_three(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    router = FakeRouter(NOWHERE, Allocation("w2", "ws://127.0.0.1:1", "tiny"))
    _, released = serve(client, router, monkeypatch)
    assert router.avoided == [(), ("w1",)]
    assert client.closed == (4503, "no_capacity")
    assert released == ["error"]


@pytest.mark.parametrize(
    "failure",
    [WebSocketDisconnect(1006), RuntimeError("Unexpected ASGI message 'websocket.send'")],
)
def test_a_client_that_is_gone_at_the_end_is_no_fault(
    failure: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, released = serve(FakeClient(failure), FakeRouter(RegistryUnavailable("away")), monkeypatch)
    assert released == ["error"]
    assert "Traceback" not in caplog.text
