"""A client's WebSocket at a session whose surroundings are played by hand."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.websockets import WebSocketDisconnect

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.principal import LOCAL_USER
from gateway.metrics import GatewayMetrics
from gateway.realtime.connection import IN_A_ROW, ClientConnection
from tests.support.gateway_parts import FakeSlots, session_manager
from tests.support.virtual_time import VirtualClock, run_virtually


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

    async def receive(self) -> dict[str, Any]:
        """Nothing ever comes."""
        await asyncio.Event().wait()
        return {}

    async def close(self, code: int, reason: str) -> None:
        """The end."""
        if self._failure:
            raise self._failure
        self.closed = code, reason


def serve(client: Any, slots: FakeSlots) -> GatewayMetrics:
    """Serve a client to its end."""

    async def main(_clock: VirtualClock) -> GatewayMetrics:
        metrics = GatewayMetrics()
        port = session_manager(slots, metrics=metrics).begin(SessionConfig(), LOCAL_USER)
        async with asyncio.timeout(60):
            await ClientConnection(client, port, 10.0).serve()
        return metrics

    return run_virtually(main)


NOWHERE = Allocation("w1", "ws://127.0.0.1:1", "tiny")


def test_a_fault_of_ours_costs_one_session(caplog: pytest.LogCaptureFixture) -> None:
    client, slots = FakeClient(), FakeSlots(ZeroDivisionError("a bug"))
    metrics = serve(client, slots)
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
    assert slots.released == ["error"]
    assert "ZeroDivisionError" in caplog.text
    assert b'dalston_gateway_sessions_total{reason="internal"} 1.0' in metrics.scrape()


def test_a_client_without_a_slot_holds_none() -> None:
    client, slots = FakeClient(), FakeSlots(NoCapacity("all slots are taken", 7.0))
    serve(client, slots)
    assert client.events[0]["retry_after"] == 7.0
    assert client.closed == (4503, "no_capacity")
    assert slots.released == ["error"]  # holds where nothing is held, too


def test_a_slot_that_may_have_been_given_is_released() -> None:
    client, slots = FakeClient(), FakeSlots(RegistryUnavailable("no answer"))
    serve(client, slots)
    assert client.events[0]["message"] == "no worker can be reached: no answer"
    assert client.closed == (4503, "no_capacity")
    assert slots.released == ["error"]


def test_two_workers_are_tried_and_not_three() -> None:
    client = FakeClient()
    slots = FakeSlots(NOWHERE, Allocation("w2", "ws://127.0.0.1:1", "tiny"))
    serve(client, slots)
    assert slots.avoided == [(), ("w1",)]
    assert client.closed == (4503, "no_capacity")
    assert slots.released == ["error"]


def test_a_client_that_is_gone_at_the_end_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    slots = FakeSlots(RegistryUnavailable("away"))
    serve(FakeClient(WebSocketDisconnect(1006)), slots)
    assert slots.released == ["error"]
    assert "Traceback" not in caplog.text


class Flooding(FakeClient):
    """A client with a frame at any time."""

    frames = 0

    async def receive(self) -> dict[str, Any]:
        """The next frame, without a wait."""
        self.frames += 1
        return {"type": "websocket.receive", "bytes": b""}


def test_a_client_that_always_has_a_frame_waiting_lets_others_have_their_turn() -> None:
    async def main(_clock: VirtualClock) -> int:
        client: Any = Flooding()
        port = session_manager(FakeSlots(NoCapacity("full", 1.0))).begin(SessionConfig(), LOCAL_USER)
        serving = asyncio.create_task(ClientConnection(client, port, 10.0).serve())
        async with asyncio.timeout(5):
            for _ in range(3):
                await asyncio.sleep(0)
            frames: int = client.frames
            await serving
        return frames

    assert 0 < run_virtually(main) <= 3 * IN_A_ROW
