"""How a formation ends: in order at the signal, and whole when any of its processes dies."""

import asyncio
import json
import signal
import time
from collections.abc import Callable

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from runtime.local_server import LocalServer
from tests.support.managed_process import DEADLINE_S
from tests.support.servers import whole_server
from tests.support.speech import samples
from tests.support.system_sessions import chunks, stream

PROCESSES = ("redis", "broker", "gateway", "receiver", "vad", "asr", "assembler", "sender")


async def close_code_after(server: LocalServer, happens: Callable[[], None]) -> int | None:
    """The code with which a session in mid-speech is closed when something happens."""
    async with (
        asyncio.timeout(DEADLINE_S),
        connect(stream(server), compression=None, ping_timeout=None) as socket,
    ):
        for chunk in chunks(samples("beckett.wav")[:24_000].tobytes()):
            await socket.send(chunk)
        while json.loads(await socket.recv())["type"] != "transcript.partial":
            pass
        happens()
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code


def children(server: LocalServer) -> list[psutil.Process]:
    """All of its processes."""
    return psutil.Process(server.process.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that is over and that nobody has waited for is over."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def running(server: LocalServer, name: str) -> psutil.Process:
    """The process of one Procfile line."""
    module = {"redis": "broker.store", "broker": "broker", "gateway": "gateway"}.get(name, f"stages.{name}")
    if name == "redis":
        return next(p for p in children(server) if "redis-server" in p.name())
    return next(p for p in children(server) if p.cmdline()[-2:] == ["-m", module])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_signal_ends_everything_within_five_seconds(number: signal.Signals) -> None:
    with whole_server() as server:
        processes = children(server)
        sent = list[float]()

        def signal_all() -> None:
            server.process.send_signal(number)
            sent.append(time.monotonic())

        code = asyncio.run(close_code_after(server, signal_all))
        server.process.wait(5 - (time.monotonic() - sent[0]))
        assert code == 1012
        assert not alive(processes)
        assert not [line for line in server.log if "Traceback" in line]


@pytest.mark.parametrize("name", PROCESSES)
def test_the_death_of_any_process_ends_the_formation(name: str) -> None:
    with whole_server() as server:
        processes, victim = children(server), running(server, name)
        code = asyncio.run(close_code_after(server, victim.kill))
        assert server.process.wait(6) != 0
        assert not alive(processes)
        if name != "gateway":  # a dead gateway can say nothing
            assert code in (1011, 1012)
