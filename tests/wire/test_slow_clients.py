"""Attacks a gateway with slowhttptest: heads and bodies that come byte by byte, answers that are not read."""

import shutil
import subprocess
import time

import psutil
import pytest

from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.managed_process import DEADLINE_S
from tests.support.redis_fixture import RedisServer

TOOL = "slowhttptest"
ATTACKERS = 60  # Connections of each attack.
ATTACK_S = 5  # Seconds; the attacks go on at the same time.
HEAD_S = "2"  # Seconds for a head, which end within the attack.


def attack(gateway: GatewayProcess, path: str, *options: str) -> "subprocess.Popen[str]":
    """Begin an attack."""
    url = f"http://{gateway.host}:{gateway.port}{path}"
    bounds = (
        "-c",
        str(ATTACKERS),
        "-r",
        str(ATTACKERS),
        "-i",
        "1",
        "-l",
        str(ATTACK_S),
        "-p",
        "5",
        "-u",
        url,
    )
    return subprocess.Popen(
        [TOOL, *options, *bounds], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def established(gateway: GatewayProcess) -> int:
    """How many connections of clients the gateway has."""
    found = psutil.Process(gateway.process.pid).net_connections("tcp")
    return sum(each.status == "ESTABLISHED" and each.laddr.port == gateway.port for each in found)


@pytest.mark.skipif(
    shutil.which(TOOL) is None, reason=f"{TOOL} is not installed: on Debian, apt install {TOOL}"
)
def test_slow_clients_hold_nobody_up_and_are_let_go(shared_redis: RedisServer) -> None:
    with gateway_process(shared_redis.url, handshake_timeout=HEAD_S) as gateway:
        attacks = [
            attack(gateway, "/healthz", "-H"),
            attack(gateway, "/v1/audio/transcriptions", "-B", "-f", "multipart/form-data; boundary=b"),
            attack(gateway, "/openapi.json", "-X", "-w", "1", "-y", "8"),
        ]
        try:
            while any(each.poll() is None for each in attacks):
                assert gateway.get("/healthz").status_code == 200
        finally:
            said = [each.communicate(timeout=DEADLINE_S)[0] for each in attacks]
        assert all("service available" in each for each in said)
        until = time.monotonic() + DEADLINE_S
        while established(gateway) and time.monotonic() < until:
            gateway.get("/healthz")
        assert established(gateway) == 0
        assert [line for line in gateway.process.lines if "Traceback" in line] == []
