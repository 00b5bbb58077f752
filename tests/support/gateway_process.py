"""Runs a real gateway as a process, and talks to it as clients do."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import httpx
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.managed_process import DEADLINE_S, ManagedProcess, clean_environment
from tests.support.redis_fixture import RedisServer

T = TypeVar("T")

PATH = "/v1/audio/transcriptions/stream"
SECRET = "the secret of the tests"


@contextmanager
def process(module: str, **settings: str) -> Iterator[ManagedProcess]:
    """A module of ours as a process for the duration of a block."""
    env = clean_environment(**{"internal_secret": SECRET} | settings)
    with ManagedProcess(sys.executable, "-m", module, env=env) as started:
        yield started


class GatewayProcess:
    """A gateway on a free port."""

    def __init__(self, started: ManagedProcess) -> None:
        self.process = started
        port = re.search(r"port=(\d+)", started.line("listening"))
        assert port is not None
        self.host, self.port = "127.0.0.1", int(port[1])

    def url(self, query: str = "") -> str:
        """The WebSocket's URL."""
        return f"ws://{self.host}:{self.port}{PATH}{'?' if query else ''}{query}"

    def call(self, method: str, path: str) -> httpx.Response:
        """A REST call."""
        url = f"http://{self.host}:{self.port}{path}"
        return httpx.request(method, url, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        """A GET."""
        return self.call("GET", path)

    def metric(self, name: str) -> float:
        """One sample of its metrics, 0 if it is not there."""
        lines = self.get("/metrics").text.splitlines()
        return next((float(x.rpartition(" ")[2]) for x in lines if x.startswith(name + " ")), 0.0)


@contextmanager
def gateway_process(redis_url: str, **settings: str) -> Iterator[GatewayProcess]:
    """A gateway for the duration of a block."""
    defaults = {"gateway_port": "0", "heartbeat_timeout": "5", "resume_window": "0.5"}
    with process("gateway", redis_url=redis_url, **(defaults | settings)) as started:
        yield GatewayProcess(started)


@pytest.fixture(scope="session")
def _shared_gateway(_shared_redis: RedisServer) -> Iterator[GatewayProcess]:
    with gateway_process(_shared_redis.url) as started:
        yield started


@pytest.fixture
def gateway(_shared_gateway: GatewayProcess, shared_redis: RedisServer) -> GatewayProcess:
    """The gateway that tests share, on a Redis that is empty."""
    return _shared_gateway


def run(main: Coroutine[Any, Any, T], deadline: float = DEADLINE_S) -> T:
    """Run a test's coroutine, at most `deadline` seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(deadline):
            return await main

    return asyncio.run(bounded())


async def until(condition: Callable[[], Awaitable[Any]], deadline: float = DEADLINE_S) -> None:
    """Ask again and again until `condition` holds; it is an event of another process."""
    async with asyncio.timeout(deadline):
        while not await condition():
            await asyncio.sleep(0.01)


class Client:
    """A client of the protocol that checks `seq` as it reads."""

    def __init__(self, connection: ClientConnection, seq: int = 0) -> None:
        self.connection = connection
        self.seq = seq
        self.session_id = self.token = ""

    async def send(self, frame: bytes | dict[str, Any]) -> None:
        """Send audio or a message."""
        is_audio = isinstance(frame, bytes)
        await self.connection.send(frame if is_audio else orjson.dumps(frame).decode())

    async def event(self, kind: str | None = None) -> dict[str, Any]:
        """The next event, or the next of a kind."""
        while True:
            event: dict[str, Any] = orjson.loads(await self.connection.recv())
            self.seq += 1
            assert event["seq"] == self.seq
            self.token = event.get("resume_token", self.token)
            if kind in (None, event["type"]):
                return event

    async def rest(self) -> list[dict[str, Any]]:
        """All events until the connection is closed."""
        events = []
        try:
            while True:
                events.append(await self.event())
        except ConnectionClosed:
            return events

    @property
    def resume_point(self) -> str:
        """What the client comes back with."""
        return f"{self.token}:{self.seq}"

    def begin_again(self, point: str) -> None:
        """Take over what is known of a session whose client came back with this."""
        self.token, _, seq = point.partition(":")
        self.session_id, self.seq = self.token[:32], int(seq)

    @property
    def closed(self) -> tuple[int | None, str | None]:
        """Code and reason of the close."""
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def client(gateway: GatewayProcess, query: str = "") -> AsyncIterator[Client]:
    """A connected client."""
    url = gateway.url(query)
    async with connect(url, proxy=None, compression=None, max_size=None, open_timeout=DEADLINE_S) as ws:
        yield Client(ws)
