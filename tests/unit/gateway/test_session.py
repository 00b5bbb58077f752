"""A session whose surroundings are played by hand: what no real worker or client would do on demand."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.websockets import WebSocketDisconnect

from broker.errors import NoCapacity, RegistryUnavailable
from broker.records import Allocation
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.context import Gateway
from gateway.realtime.admission import SessionRequest
from gateway.realtime.connection import IN_A_ROW
from gateway.sessions.session import Session
from gateway.sessions.session_manager import SessionManager
from gateway.sessions.state import SessionState
from gateway.settings import GatewaySettings
from gateway.workers.liveness import Liveness


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


class FakePlaces:
    """Places whose next answers are set by hand."""

    def __init__(self, *answers: Allocation | Exception) -> None:
        self.answers = list(answers)
        self.avoided: list[tuple[str, ...]] = []
        self.given_back: list[str] = []

    async def take(
        self, _session: str, _config: SessionConfig, avoid: tuple[str, ...], **_more: Any
    ) -> Allocation:
        """The next answer."""
        self.avoided.append(avoid)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def give_back(self, _session: str, status: str, _audio: float) -> "asyncio.Future[None]":
        """Note it; it is done at once."""
        self.given_back.append(status)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def serve(client: Any, places: Any) -> Gateway:
    """Serve a client to its end."""

    async def main() -> Gateway:
        gateway = Gateway(GatewaySettings(redis_url="unix:///nowhere", internal_secret="s" * 16))
        gateway.places = places
        sessions = SessionManager(gateway)
        async with asyncio.timeout(5):
            await sessions.serve(client, sessions.begin(SessionRequest(SessionConfig(), "")))
        return gateway

    return asyncio.run(main())


NOWHERE = Allocation("w1", "ws://127.0.0.1:1", "tiny")


def test_a_fault_of_ours_costs_one_session(caplog: pytest.LogCaptureFixture) -> None:
    client, places = FakeClient(), FakePlaces(ZeroDivisionError("a bug"))
    gateway = serve(client, places)
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
    assert places.given_back == ["error"]
    assert "ZeroDivisionError" in caplog.text
    assert b'dalston_gateway_sessions_total{reason="internal"} 1.0' in gateway.metrics.scrape()


def test_a_client_without_a_place_holds_none() -> None:
    client, places = FakeClient(), FakePlaces(NoCapacity("all places are taken", 7.0))
    serve(client, places)
    assert client.events[0]["retry_after"] == 7.0
    assert client.closed == (4503, "no_capacity")
    assert places.given_back == ["error"]  # holds where nothing is held, too


def test_a_place_that_may_have_been_given_is_given_back() -> None:
    client, places = FakeClient(), FakePlaces(RegistryUnavailable("no answer"))
    serve(client, places)
    assert client.events[0]["message"] == "no worker can be reached"
    assert client.closed == (4503, "no_capacity")
    assert places.given_back == ["error"]


def test_two_workers_are_tried_and_not_three() -> None:
    client = FakeClient()
    places = FakePlaces(NOWHERE, Allocation("w2", "ws://127.0.0.1:1", "tiny"))
    serve(client, places)
    assert places.avoided == [(), ("w1",)]
    assert client.closed == (4503, "no_capacity")
    assert places.given_back == ["error"]


@pytest.mark.parametrize(
    "failure",
    [WebSocketDisconnect(1006), RuntimeError("Unexpected ASGI message 'websocket.send'")],
)
def test_a_client_that_is_gone_at_the_end_is_no_fault(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    places = FakePlaces(RegistryUnavailable("away"))
    serve(FakeClient(failure), places)
    assert places.given_back == ["error"]
    assert "Traceback" not in caplog.text


class Flooding(FakeClient):
    """A client with a frame at any time."""

    frames = 0

    async def receive(self) -> dict[str, Any]:
        """The next frame, without a wait."""
        self.frames += 1
        return {"type": "websocket.receive", "bytes": b""}


def test_a_client_that_always_has_a_frame_waiting_lets_others_have_their_turn() -> None:
    async def main() -> int:
        gateway = Gateway(GatewaySettings(redis_url="unix:///nowhere", internal_secret="s" * 16))
        gateway.places = FakePlaces(NoCapacity("full", 1.0))  # type: ignore[assignment]
        sessions, client = SessionManager(gateway), Flooding()
        serving = asyncio.create_task(
            sessions.serve(client, sessions.begin(SessionRequest(SessionConfig(), "")))  # type: ignore[arg-type]
        )
        async with asyncio.timeout(5):
            for _ in range(3):
                await asyncio.sleep(0)
            frames = client.frames
            await serving
        return frames

    assert 0 < asyncio.run(main()) <= 3 * IN_A_ROW


@pytest.mark.parametrize(("frame", "heard"), [(b"", 0), (b"\0", 0), (b"\0\0", 1), ("{}", 0)])
def test_a_worker_has_to_answer_for_audio_alone(
    frame: bytes | str, heard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> int:
        gateway = Gateway(GatewaySettings(redis_url="unix:///nowhere", internal_secret="s" * 16))
        spoken: list[None] = []
        monkeypatch.setattr(Liveness, "speak", lambda _watch: spoken.append(None))
        session = Session(gateway, SessionState.new("s", SessionRequest(SessionConfig(), "")))
        await session.hear(frame)
        return len(spoken)

    assert asyncio.run(main()) == heard
