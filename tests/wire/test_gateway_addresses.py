"""Where a gateway is reachable with the names that people write, and which its line `ready:` has."""

import asyncio
import re
import socket

import httpx
import pytest

from runtime.addresses import own_ip
from runtime.local_server import free_ports
from tests.support.fake_worker import fake_worker
from tests.support.gateway_process import client, gateway_process, process, run
from tests.support.redis_fixture import RedisServer


def has_ipv6() -> bool:
    """Whether this machine has the loopback address ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_it_is_reachable_by_each_name_of_this_machine(shared_redis: RedisServer, host: str) -> None:
    if host == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no IPv6")

    async def main() -> None:
        with gateway_process(shared_redis.url) as gateway:
            async with fake_worker(shared_redis.url):
                await asyncio.to_thread(gateway.process.line, "ready: ws://127.0.0.1:")
                gateway.host = host
                async with client(gateway) as me:
                    assert (await me.event())["type"] == "session.begin"

    run(main())


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_port_that_is_taken_in_ipv6_alone_is_said(shared_redis: RedisServer) -> None:
    (port,) = free_ports(1)
    with (
        socket.create_server(("::1", port), family=socket.AF_INET6),
        process("gateway", redis_url=shared_redis.url, gateway_port=str(port)) as started,
    ):
        assert started.wait() == 1
    assert f"can't listen on ::1 port {port}" in started.lines[-1]


@pytest.mark.parametrize("bound", ["0.0.0.0", "127.0.0.1"])
def test_the_ready_line_names_an_address_that_can_be_used(shared_redis: RedisServer, bound: str) -> None:
    async def main() -> None:
        with gateway_process(shared_redis.url, gateway_host=bound, auth="off") as gateway:
            async with fake_worker(shared_redis.url):
                line = await asyncio.to_thread(gateway.process.line, "ready: ")
            found = re.search(r"ready: ws://(\S+?)/", line)
            assert found is not None
            shown = own_ip() if bound == "0.0.0.0" else bound
            assert found[1] == (f"[{shown}]" if ":" in shown else shown) + f":{gateway.port}"

    run(main())


def test_an_address_of_one_family_is_that_one_alone(shared_redis: RedisServer) -> None:
    with gateway_process(shared_redis.url, gateway_host="127.0.0.1") as gateway:
        assert gateway.get("/healthz").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://[::1]:{gateway.port}/healthz", trust_env=False)
