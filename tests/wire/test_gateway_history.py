"""A real gateway keeps the sessions that ask for it, over resumes, lost workers and lost gateways."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dalston_realtime.protocol.audio import MAX_FRAME_BYTES
from tests.support.databases import PostgresServer, postgres_server
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import GatewayProcess, client, gateway_process, run, until
from tests.support.gateway_sessions import SECOND, begun, finals, lost, recorder
from tests.support.redis_fixture import RedisServer

SESSIONS = "/v1/realtime/sessions"
RECORD_S = 30.0  # Seconds until a record says what it should; on a busy machine a sweep takes its time.


async def record(gateway: GatewayProcess, session_id: str, fulfils: Callable[[Any], Any]) -> Any:
    """A session's record, once it fulfils a condition."""
    found: list[Any] = []

    async def asked() -> bool:
        found.append((await asyncio.to_thread(gateway.get, f"{SESSIONS}/{session_id}")).json())
        return bool(fulfils(found[-1]))

    await until(asked, RECORD_S)
    return found[-1]


def test_a_session_is_kept_where_it_asks_for_it(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        metadata = quote(json.dumps({"customer": "acme"}))
        async with fake_worker(shared_redis.url, recorder), client(gateway) as unkept:
            await begun(unkept)
            async with client(gateway, f"store=true&metadata={metadata}") as me:
                await begun(me)
                await me.send(2 * SECOND)
                assert await finals(me, 2) == ["w1", "w2"]
                running = gateway.get(f"{SESSIONS}/{me.session_id}").json()
                assert (running["status"], running["metadata"]) == ("active", {"customer": "acme"})
                assert gateway.call("DELETE", f"{SESSIONS}/{me.session_id}").status_code == 409
                await me.send({"type": "end"})
                await me.rest()
            ended = await record(gateway, me.session_id, lambda found: found.get("status") == "ended")
            assert (ended["utterances"], ended["audio_seconds"], ended["reason"]) == (2, 2.0, "normal")
            listed = gateway.get(f"{SESSIONS}?search=w2").json()["sessions"]
            assert [session["session_id"] for session in listed] == [me.session_id]
            assert gateway.get(f"{SESSIONS}/{me.session_id}/export/txt").text == "w1\nw2\n"
            assert gateway.get(f"{SESSIONS}/{unkept.session_id}").status_code == 404
            assert gateway.call("DELETE", f"{SESSIONS}/{me.session_id}").status_code == 200
            assert gateway.get(SESSIONS).json() == {"sessions": []}

    with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
        run(main())


def test_an_error_that_ends_a_session_is_kept_once(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
            await begun(me)
            await me.send(bytes(MAX_FRAME_BYTES + 1))
            told = (await me.rest())[-1]
            found = await record(gateway, me.session_id, lambda found: found.get("status") == "error")
            assert found["errors"] == [{"code": told["code"], "message": told["message"]}]

    with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
        run(main())


def test_a_gateway_that_takes_over_goes_on_with_the_record(shared_redis: RedisServer, tmp_path: Path) -> None:
    settings = {"data_dir": str(tmp_path), "resume_window": "10", "store": "on"}

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder, capacity=4):
            with gateway_process(shared_redis.url, **settings) as first:
                async with client(first) as me:
                    await begun(me)
                    await me.send(2 * SECOND)
                    await finals(me, 2)
                    first.process.kill()
                    token = await lost(me)
            async with client(second, f"resume={token}") as again:
                again.seq = me.seq
                await again.event("session.resumed")
                await again.send(SECOND)
                assert await finals(again, 1) == ["w3"]
                await again.send({"type": "end"})
                await again.rest()
            found = await record(second, me.session_id, lambda found: found.get("status") == "ended")
            assert (found["utterances"], found["resumes"]) == (3, 1)
            assert second.get(f"{SESSIONS}/{me.session_id}/export/txt").text == "w1\nw2\nw3\n"

    with gateway_process(shared_redis.url, **settings) as second:
        run(main())


def test_finals_that_a_killed_gateway_had_not_written_come_from_redis(
    shared_redis: RedisServer, tmp_path: Path
) -> None:
    settings = {"data_dir": str(tmp_path), "resume_window": "20", "gateway_timeout": "2", "store": "on"}

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(first) as me:
            await begun(me)
            await record(second, me.session_id, lambda found: found.get("status") == "active")
            with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")  # Nobody else can write.
                await me.send(2 * SECOND)
                assert await finals(me, 2) == ["w1", "w2"]
                first.process.kill()
                assert second.get(f"{SESSIONS}/{me.session_id}").json()["utterances"] == 0
            await record(second, me.session_id, lambda found: found["utterances"] == 2)
            assert second.get(f"{SESSIONS}/{me.session_id}/export/txt").text == "w1\nw2\n"

    with (
        gateway_process(shared_redis.url, **settings) as first,
        gateway_process(shared_redis.url, **settings) as second,
    ):
        run(main())


def test_gateways_that_start_at_once_on_an_empty_postgresql_share_their_sessions(
    shared_redis: RedisServer, shared_postgres: PostgresServer, tmp_path: Path
) -> None:
    url = shared_postgres.url(shared_postgres.new_database())
    settings = {"data_dir": str(tmp_path), "database_url": url, "store": "on"}

    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(first) as me:
            await begun(me)
            await me.send(SECOND)
            await finals(me, 1)
            await me.send({"type": "end"})
            await me.rest()
        await record(second, me.session_id, lambda found: found.get("status") == "ended")
        assert second.get(f"{SESSIONS}?search=w1").json()["sessions"][0]["session_id"] == me.session_id

    with (
        gateway_process(shared_redis.url, **settings) as first,
        gateway_process(shared_redis.url, **settings) as second,
    ):
        run(main())


def test_a_live_session_goes_on_without_a_database(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
            await begun(me)
            await me.send(2 * SECOND)
            assert await finals(me, 2) == ["w1", "w2"]
            assert gateway.get(SESSIONS).json()["error"]["code"] == "history_unavailable"
            await me.send({"type": "end"})
            assert (await me.rest())[-1]["type"] == "session.end"

    url = f"postgresql://nobody@/none?host={tmp_path}"
    away = {"data_dir": str(tmp_path), "database_url": url}
    with gateway_process(shared_redis.url, **away, auth="off") as gateway:
        run(main())


def test_a_live_session_goes_on_while_sqlite_is_locked(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
            await begun(me)
            await me.send(SECOND)
            assert await finals(me, 1) == ["w1"]
            await record(gateway, me.session_id, lambda found: found.get("utterances") == 1)
            locker = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
            locker.execute("BEGIN IMMEDIATE")
            await me.send(SECOND)
            assert await finals(me, 1) == ["w2"]
            await me.send({"type": "end"})
            assert (await me.rest())[-1]["type"] == "session.end"
            assert gateway.get(f"{SESSIONS}/{me.session_id}").json()["utterances"] == 1
            locker.close()
            ended = await record(gateway, me.session_id, lambda found: found.get("status") == "ended")
            assert (ended["utterances"], "missing" in ended) == (2, False)

    with gateway_process(shared_redis.url, data_dir=str(tmp_path)) as gateway:
        run(main())


def test_a_live_session_goes_on_while_postgresql_is_away(shared_redis: RedisServer, tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_worker(shared_redis.url, recorder), client(gateway, "store=true") as me:
            await begun(me)
            await me.send(SECOND)
            assert await finals(me, 1) == ["w1"]
            await record(gateway, me.session_id, lambda found: found.get("utterances") == 1)
            server.stop()
            await me.send(SECOND)
            assert await finals(me, 1) == ["w2"]
            assert gateway.get(SESSIONS).json()["error"]["code"] == "history_unavailable"
            await me.send({"type": "end"})
            assert (await me.rest())[-1]["type"] == "session.end"
            server.start_again()
            ended = await record(gateway, me.session_id, lambda found: found.get("status") == "ended")
            assert (ended["utterances"], "missing" in ended) == (2, False)

    with (
        postgres_server() as server,
        gateway_process(shared_redis.url, data_dir=str(tmp_path), database_url=server.url()) as gateway,
    ):
        run(main())
