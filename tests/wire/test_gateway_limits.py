"""Real gateways with keys that have limits: who is refused, with what, and what frees a place."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from storage.api_keys.api_key import KeyLimits
from storage.api_keys.key_store import KeyStore
from storage.database import Database
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import Client, GatewayProcess, gateway_process, run, until
from tests.support.gateway_sessions import SECOND, begun, finals, recorder
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer

LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
OPENAI = "/v1/realtime?intent=transcription"
NATIVE = "/v1/audio/transcriptions/stream"


LIMITS = {
    "mine": KeyLimits(sessions=1),
    "lost": KeyLimits(sessions=1),
    "brief": KeyLimits(sessions=1, resume_window=0.1),
    "killed": KeyLimits(sessions=1),
    "short": KeyLimits(audio_seconds_per_day=2),
    "page": KeyLimits(sessions=1),
    "rare": KeyLimits(requests_per_minute=2),
}


class MadeKeys:
    """A key for each test, made before the gateways start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        database = Database(f"sqlite:///{folder / 'history.db'}")
        database.migrate()
        store = KeyStore(database)
        made = {name: store.create(name, ["transcribe"], limits) for name, limits in LIMITS.items()}
        self.ids = {name: key.id for name, (key, _) in made.items()}
        self.secrets = {name: secret for name, (_, secret) in made.items()}
        database.close()

    @property
    def settings(self) -> dict[str, str]:
        """Those of a gateway with these keys."""
        return {"data_dir": str(self.folder), "resume_window": "20"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> MadeKeys:
    """The keys of the gateways below."""
    return MadeKeys(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def one(_shared_redis: RedisServer, keys: MadeKeys) -> Iterator[GatewayProcess]:
    """A gateway."""
    with gateway_process(_shared_redis.url, **keys.settings) as started:
        yield started


@pytest.fixture(scope="module")
def two(_shared_redis: RedisServer, keys: MadeKeys) -> Iterator[GatewayProcess]:
    """Another one of the same server."""
    with gateway_process(_shared_redis.url, **keys.settings) as started:
        yield started


def dial(gateway: GatewayProcess, key: str, path: str = NATIVE, scheme: str = "Bearer") -> Any:
    """A connection with a key."""
    url = f"ws://{gateway.host}:{gateway.port}{path}"
    return connect(url, proxy=None, additional_headers={"Authorization": f"{scheme} {key}"})


async def answer(
    gateway: GatewayProcess, key: str, path: str = NATIVE, scheme: str = "Bearer"
) -> tuple[int, Any, dict[str, str]]:
    """The status, the body and the headers with which a connection is refused."""
    try:
        async with dial(gateway, key, path, scheme):
            return 101, None, {}
    except InvalidStatus as refused:
        reply = refused.response
        return reply.status_code, orjson.loads(reply.body or b"{}"), dict(reply.headers)


@asynccontextmanager
async def admitted(
    gateway: GatewayProcess, key: str, path: str = NATIVE, scheme: str = "Bearer"
) -> AsyncIterator[Any]:
    """A connection, as soon as a place is free and known to the gateway."""
    async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as stack:
        while True:
            try:
                socket = await stack.enter_async_context(dial(gateway, key, path, scheme))
            except InvalidStatus as refused:
                if refused.response.status_code not in (429, 503):
                    raise
                await asyncio.sleep(0.01)
            else:
                break
        yield socket


def lapse(server: RedisServer, account: str) -> None:
    """Let the time pass in which the leases of an account run out."""
    with redis.Redis.from_url(server.url) as store:
        store.hset(server.keys.availability, "since", 0)
        key = server.keys.usage_sessions(account)
        store.zadd(key, dict.fromkeys(store.zrange(key, 0, -1), 1))


def test_one_more_session_is_refused_on_every_gateway_and_in_every_protocol(
    shared_redis: RedisServer, keys: MadeKeys, one: GatewayProcess, two: GatewayProcess
) -> None:
    mine = keys.secrets["mine"]

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), dial(one, mine) as socket:
            me = Client(socket)
            await begun(me)
            for gateway in (one, two):
                status, body, headers = await answer(gateway, mine)
                assert (status, body["error"]["code"]) == (429, "too_many_sessions")
                assert "the key 'mine' has reached a limit: 1 of 1 sessions" in body["error"]["message"]
                assert (headers["retry-after"], body["error"]["retry_after"]) == ("5", 5.0)
            status, body, headers = await answer(two, mine, LISTEN, "Token")
            assert (status, body["error"]["message"]) == (429, headers["dg-error"])
            status, body, _ = await answer(two, mine, OPENAI)
            assert (status, body["error"]["type"]) == (429, "rate_limit_error")
            await me.send({"type": "end"})
            await me.rest()
            async with admitted(two, mine, LISTEN, "Token"):
                assert (await answer(one, mine, OPENAI))[0] == 429
            async with admitted(one, mine):
                pass

    run(main())


def test_a_session_that_lost_its_client_counts_and_coming_back_is_no_other_one(
    shared_redis: RedisServer, keys: MadeKeys, one: GatewayProcess, two: GatewayProcess
) -> None:
    mine = keys.secrets["lost"]
    brief = keys.secrets["brief"]

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder):
            async with dial(one, mine) as socket:
                me = Client(socket)
                await begun(me)
                await me.send(SECOND)  # Without audio nobody comes back.
                assert await finals(me, 1) == ["w1"]
                point = me.resume_point
                socket.transport.abort()
            assert (await answer(two, mine))[0] == 429
            async with dial(two, mine, f"{NATIVE}?resume={point}") as socket:
                me = Client(socket)
                me.begin_again(point)
                await me.event("session.resumed")
                assert (await answer(one, mine))[0] == 429
                await me.send(SECOND)
                assert await finals(me, 1) == ["w2"]
                await me.send({"type": "end"})
                await me.rest()
            async with admitted(one, mine), dial(one, brief) as socket:
                me = Client(socket)
                await begun(me)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w1"]
                socket.transport.abort()
            async with admitted(two, brief):  # Its window is shorter than that of the server.
                pass

    run(main())


def test_sessions_of_a_killed_gateway_are_free_and_may_be_taken_over(
    shared_redis: RedisServer, keys: MadeKeys, two: GatewayProcess
) -> None:
    mine = keys.secrets["killed"]

    async def main(killed: GatewayProcess) -> None:
        async with fake_worker(shared_redis.url, recorder):
            async with dial(killed, mine) as socket:
                me = Client(socket)
                await begun(me)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w1"]
                point = me.resume_point
                killed.process.kill()
            assert (await answer(two, mine))[0] == 429
            lapse(shared_redis, keys.ids["killed"])
            async with admitted(two, mine):
                pass
            async with dial(two, mine, f"{NATIVE}?resume={point}") as socket:
                me = Client(socket)
                me.begin_again(point)
                await me.event("session.resumed")

                async def counts() -> bool:
                    return (await answer(two, mine))[0] == 429

                await until(counts)

    with gateway_process(shared_redis.url, **keys.settings) as killed:
        run(main(killed))


def test_a_session_ends_when_the_audio_of_the_day_is_used_up(
    shared_redis: RedisServer, keys: MadeKeys, one: GatewayProcess
) -> None:
    mine = keys.secrets["short"]

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), dial(one, mine) as socket:
            me = Client(socket)
            await begun(me)
            for _ in range(3):
                await me.send(SECOND)
            error = (await me.rest())[-1]
            assert (error["type"], error["code"]) == ("error", "too_many_sessions")
            assert " of 2 s of audio a day are used; they come free at 00:00 UTC" in error["message"]
            assert 0 < error["retry_after"] <= 86_400
            assert me.closed == (4429, "too_many_sessions")
            status, body, headers = await answer(one, mine)
            assert (status, body["error"]["code"]) == (429, "too_much_audio")
            assert 0 < int(headers["retry-after"]) <= 86_400

    run(main())


def test_requests_and_connections_of_a_minute_are_counted_together(
    shared_redis: RedisServer, keys: MadeKeys, one: GatewayProcess, two: GatewayProcess
) -> None:
    mine = keys.secrets["rare"]

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder):
            for gateway in (one, two):
                assert (await answer(gateway, mine))[0] == 101
            assert (await answer(one, mine))[1]["error"]["code"] == "too_many_requests"

    run(main())


def test_a_token_counts_as_its_key_and_gets_no_other_model(
    shared_redis: RedisServer, keys: MadeKeys, one: GatewayProcess
) -> None:
    bearer = {"Authorization": f"Bearer {keys.secrets['page']}"}
    url = f"http://{one.host}:{one.port}/v1/realtime/tokens"
    wanted = {"model": "fast", "uses": 9}
    made = httpx.post(url, json=wanted, headers=bearer, trust_env=False).json()["token"]

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder) as worker:
            assert (await answer(one, made, f"{NATIVE}?model=accurate"))[0] == 403
            async with dial(one, made) as socket:
                await begun(Client(socket))
                assert (await answer(one, keys.secrets["page"]))[0] == 429
                assert (await answer(one, made, f"{NATIVE}?model=fast"))[0] == 429
            async with admitted(one, made, f"{LISTEN}&model=nova-3", "Token") as socket:
                await socket.send(SECOND)
                await socket.recv()
            assert {visit.request.config.model for visit in worker.visits} == {"fast"}

    run(main())
