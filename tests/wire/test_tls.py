"""TLS on every way: clients to the gateway, gateways to workers and to each other, all to Redis."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect

from dalston_realtime.client import UnreachableError, rest, transcribe_stream
from runtime.local_server import free_ports
from tests.support.certificates import TlsFiles, make_certificate, tls_before
from tests.support.fake_worker import FakeWorker, fake_worker
from tests.support.gateway_process import PATH, Client, GatewayProcess, gateway_process, process, run, until
from tests.support.gateway_sessions import SECOND, begun, lost
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> TlsFiles:
    return make_certificate(tmp_path, authority)


@asynccontextmanager
async def worker_with_tls(redis: RedisServer, files: TlsFiles) -> AsyncIterator[FakeWorker]:
    """A worker that gateways reach over TLS alone."""
    async with fake_worker(redis.url) as worker:
        port = worker.record.endpoint.rpartition(":")[2]
        async with tls_before(files, lambda: asyncio.open_connection("127.0.0.1", int(port))) as tls_port:
            worker.record = replace(worker.record, endpoint=f"wss://localhost:{tls_port}")
            yield worker


@asynccontextmanager
async def redis_with_tls(redis: RedisServer, files: TlsFiles) -> AsyncIterator[str]:
    """The URL of the same Redis over TLS."""
    async with tls_before(files, lambda: asyncio.open_unix_connection(redis.socket)) as port:
        yield f"rediss://localhost:{port}"


def start(stack: contextlib.ExitStack, redis_url: str, files: TlsFiles) -> GatewayProcess:
    """A gateway with TLS that trusts the same CA."""
    settings = {"tls_cert": str(files.cert), "tls_key": str(files.key), "tls_ca": str(files.ca)}
    return stack.enter_context(gateway_process(redis_url, resume_window="30", **settings))


@asynccontextmanager
async def connected(gateway: GatewayProcess, files: TlsFiles, query: str = "") -> AsyncIterator[Client]:
    """A client that trusts the CA."""
    url = f"wss://localhost:{gateway.port}{PATH}{query}"
    context = ssl.create_default_context(cafile=files.ca)
    async with connect(url, ssl=context, proxy=None, open_timeout=DEADLINE_S) as socket:
        yield Client(socket)


def serial(connection: ClientConnection) -> str:
    """The serial number of the server's certificate."""
    return str(connection.transport.get_extra_info("peercert")["serialNumber"])


def test_a_session_over_tls_on_every_way(
    shared_redis: RedisServer, files: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(stack: contextlib.ExitStack) -> None:
        async with redis_with_tls(shared_redis, files) as redis_url, worker_with_tls(shared_redis, files):
            first, second = [await asyncio.to_thread(start, stack, redis_url, files) for _ in range(2)]
            line = await asyncio.to_thread(first.process.line, "ready")
            assert line == f"ready: wss://127.0.0.1:{first.port}{PATH}"
            async with connected(first, files) as client:
                await begun(client)
                await client.send(SECOND)
                await client.event("transcript.partial")
                token = await lost(client)
            # Its session is at the first gateway, which the second one reaches over TLS as well.
            async with connected(second, files, f"?resume={token}") as client:
                client.seq = int(token.rpartition(":")[2])
                await client.event("session.resumed")
                await client.send({"type": "end"})
                assert (await client.rest())[-1]["audio_duration"] == 1.0
            address = f"https://127.0.0.1:{first.port}"
            with pytest.raises(UnreachableError, match="SSL_CERT_FILE may name the file of its CA"):
                await rest.status(address)
            monkeypatch.setenv("SSL_CERT_FILE", str(files.ca))
            assert (await rest.status(address))["worker_count"] == 1
            async with transcribe_stream(address) as session:
                assert (await anext(aiter(session))).seq == 1

    with contextlib.ExitStack() as stack:
        run(main(stack))


def test_a_certificate_is_renewed_under_a_session(
    shared_redis: RedisServer, files: TlsFiles, authority: trustme.CA
) -> None:
    async def main(stack: contextlib.ExitStack) -> None:
        gateway = await asyncio.to_thread(start, stack, shared_redis.url, files)
        async with fake_worker(shared_redis.url), connected(gateway, files) as client:
            await begun(client)
            files.replace(authority=authority)
            await asyncio.to_thread(gateway.process.line, "the certificate is renewed")
            async with connected(gateway, files) as other:
                assert serial(other.connection) != serial(client.connection)
            await client.send(SECOND)
            await client.event("transcript.partial")

    with contextlib.ExitStack() as stack:
        run(main(stack))


def test_a_worker_whose_ca_is_not_trusted_is_named(
    shared_redis: RedisServer, files: TlsFiles, tmp_path: Path
) -> None:
    async def main() -> None:
        trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
        with gateway_process(shared_redis.url, tls_ca=str(tmp_path / "other.pem")) as gateway:
            async with worker_with_tls(shared_redis, files):

                async def is_named() -> bool:
                    said = await asyncio.to_thread(gateway.get, "/readyz")
                    return "certificate verify failed" in said.text

                await until(is_named)

    run(main())


def test_a_receiver_serves_tls_and_refuses_half_a_certificate(
    shared_redis: RedisServer, files: TlsFiles, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    settings = {
        "run_dir": str(tmp_path / "run"),
        "receiver_port": str(port),
        "receiver_tls_cert": str(files.cert),
    }
    with process("stages.receiver", redis_url=shared_redis.url, **settings) as refused:
        assert refused.wait() == 1
        assert "DALSTON_RECEIVER_TLS_CERT and DALSTON_RECEIVER_TLS_KEY belong together" in refused.lines[-1]
    settings["receiver_tls_key"] = str(files.key)
    context = ssl.create_default_context(cafile=files.ca)
    with process("stages.receiver", redis_url=shared_redis.url, **settings) as started:
        started.line("listening")
        health = httpx.get(f"https://localhost:{port}/healthz", verify=context, trust_env=False)
        assert health.json()["status"] == "incomplete"
