"""A real gateway with keys: who gets in, whose a session is, and how a revoked key ends one."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from storage.api_keys.key_store import KeyStore
from storage.database import Database
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import Client, GatewayProcess, gateway_process, process, run
from tests.support.gateway_sessions import SECOND, begun, finals, recorder
from tests.support.redis_fixture import RedisServer

SESSIONS = "/v1/realtime/sessions"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyStore]:
    """The keys of the gateways below; one is there before they start."""
    folder = tmp_path_factory.mktemp("data")
    database = Database(f"sqlite:///{folder / 'history.db'}")
    database.migrate()
    store = KeyStore(database)
    store.create("first", ["admin"])
    yield store
    database.close()


def settings(keys: KeyStore) -> dict[str, str]:
    """Those of a gateway with these keys."""
    assert keys.database.url.database is not None
    return {"data_dir": str(Path(keys.database.url.database).parent), "resume_window": "20"}


def bearer(key: str) -> dict[str, str]:
    """The header with a key."""
    return {"Authorization": f"Bearer {key}"}


async def status(gateway: GatewayProcess, query: str = "", name: str = "", **headers: str) -> int:
    """The status with which a WebSocket is answered; `name` is a name that points to the gateway."""
    url = gateway.url(query).replace(gateway.host, name or gateway.host, 1)
    try:
        async with connect(url, proxy=None, additional_headers=headers, host=gateway.host, port=gateway.port):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_session_belongs_to_its_key_on_every_gateway(shared_redis: RedisServer, keys: KeyStore) -> None:
    key, mine = keys.create("mine", ["transcribe", "history"])
    _, other = keys.create("other", ["transcribe", "history"])
    _, reader = keys.create("reader", ["history"])

    async def main(one: GatewayProcess, two: GatewayProcess) -> None:
        async with fake_worker(shared_redis.url, recorder):
            assert await status(one) == 401
            assert await status(one, **bearer("dk_wrong")) == 401
            assert await status(one, f"token={mine}") == 401
            assert await status(one, **bearer(reader)) == 403
            url = one.url("store=true")
            async with connect(url, proxy=None, additional_headers=bearer(mine)) as socket:
                me = Client(socket)
                await begun(me)
                await me.send(SECOND)
                assert await finals(me, 1) == ["w1"]
                point, session_id = me.resume_point, me.session_id
                me.connection.transport.abort()
            for gateway in (one, two):  # The second one asks the first.
                assert await status(gateway, f"resume={point}", **bearer(other)) == 404
                assert await status(gateway, f"resume={session_id}{'0' * 32}:1", **bearer(mine)) == 404
                assert await status(gateway, f"resume={session_id}:1", **bearer(mine)) == 400
            url = two.url(f"resume={point}")
            async with connect(url, proxy=None, additional_headers=bearer(mine)) as socket:
                me = Client(socket)
                me.begin_again(point)
                await me.event("session.resumed")
                path = f"http://{one.host}:{one.port}{SESSIONS}/{session_id}"
                for secret, expected in ((mine, 200), (other, 404)):
                    async with httpx.AsyncClient(trust_env=False, headers=bearer(secret)) as http:
                        assert (await http.get(path)).status_code == expected
                assert keys.revoke(key.id)
                (error,) = await me.rest()
                assert (error["type"], error["code"], me.closed) == (
                    "error",
                    "unauthorized",
                    (4001, "unauthorized"),
                )
            assert await status(one, **bearer(mine)) == 401

    with (
        gateway_process(shared_redis.url, **settings(keys)) as one,
        gateway_process(shared_redis.url, **settings(keys)) as two,
    ):
        run(main(one, two))


def test_a_gateway_that_others_reach_does_not_start_without_a_key(
    shared_redis: RedisServer, tmp_path: Path
) -> None:
    about = {"gateway_port": "0", "gateway_host": "0.0.0.0", "data_dir": str(tmp_path)}
    with process("gateway", redis_url=shared_redis.url, **about) as started:
        assert started.wait() == 1
    assert "dalston-rt keys create NAME" in started.lines[-1]


def test_pages_of_other_sites_and_foreign_names_get_no_session(gateway: GatewayProcess) -> None:
    async def main() -> None:
        assert await status(gateway, Origin="http://evil.test") == 403
        assert await status(gateway, name="evil.test") == 403
        assert await status(gateway, Host="evil.test") == 403  # A second one.
        assert await status(gateway, **{"X-Forwarded-For": "192.0.2.1"}) == 403
        assert await status(gateway, Origin="http://localhost:8080") == 101

    run(main())


def test_nobody_is_let_in_while_the_database_was_not_read(shared_redis: RedisServer, tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with gateway_process(shared_redis.url, data_dir=str(tmp_path), database_url=url) as gateway:
        assert run(status(gateway)) == 503
        assert run(status(gateway, **bearer("dk_any"))) == 503
        refused = gateway.get("/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "auth_unavailable")
        assert gateway.get("/healthz").status_code == 200


def test_two_credentials_are_one_too_many(gateway: GatewayProcess) -> None:
    headers = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]
    url = f"http://{gateway.host}:{gateway.port}/v1/models"
    refused = httpx.get(url, headers=headers, trust_env=False)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_credential")
    assert run(status(gateway, "token=x", Authorization="Bearer y")) == 400
