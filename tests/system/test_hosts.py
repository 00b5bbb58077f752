"""Workers on another host: a network namespace with a link that is cut and healed."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.gateway_process import Client, GatewayProcess, client, gateway_process, process, run, until
from tests.support.redis_fixture import start_redis
from tests.support.speech import samples
from tests.support.told_sessions import Told, begun, play, wait_for
from tests.support.words import compare
from tests.support.worker_process import worker_process

SPEECH = slice(16_000, 16 * 16_000)  # Samples.
SAID = 15  # Events of each session, some seconds of speech, after which the host is cut off.
MODEL = "fast=moonshine:tiny-en"
MOVED_S = 3.0  # Seconds of a pause in the results: two of silence, and those of a machine that is busy.
HERE, THERE = "10.231.77.1", "10.231.77.2"


def ip(*arguments: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


class Host:
    """A network namespace that a link joins to ours."""

    def __init__(self) -> None:
        self.name = f"dalston{os.getpid()}"
        self._link = f"dal{os.getpid()}"
        self.prefix = ("ip", "netns", "exec", self.name)

    def add(self) -> None:
        """Make it, or skip the test where the kernel forbids it."""
        if os.getuid() or not shutil.which("ip"):
            pytest.skip("network namespaces need root and the command ip (package iproute2)")
        try:
            ip("netns", "add", self.name)
            ip("link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        except subprocess.CalledProcessError as error:
            self.remove()
            pytest.skip(f"this kernel makes no network namespaces: {error.stderr.strip()}")
        ip("addr", "add", f"{HERE}/30", "dev", self._link)
        ip("-n", self.name, "addr", "add", f"{THERE}/30", "dev", "eth0")
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "link", "set", "eth0", "up")
        self.heal()

    def cut(self) -> None:
        """Take the link away: packets vanish, nobody is told."""
        ip("link", "set", self._link, "down")

    def heal(self) -> None:
        """Bring it back."""
        ip("link", "set", self._link, "up")

    def remove(self) -> None:
        """Forget the host and its link."""
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


@pytest.fixture
def other_host() -> Iterator[Host]:
    """Another host for a test."""
    host = Host()
    host.add()
    try:
        yield host
    finally:
        host.remove()


@contextmanager
def redis_for_all(folder: Path) -> Iterator[str]:
    """A Redis that the other host reaches; its URL."""
    options = ["--port", "26388", "--bind", "127.0.0.1", HERE, "--protected-mode", "no", "--save", ""]
    with start_redis(*options, cwd=folder):
        yield f"redis://{HERE}:26388"


def test_a_worker_on_another_host_that_is_cut_off_and_comes_back(other_host: Host, tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(redis_for_all(tmp_path))
        stack.enter_context(process("broker", redis_url=url, heartbeat_timeout="5"))
        gateway = stack.enter_context(gateway_process(url, heartbeat_timeout="5"))
        far = stack.enter_context(
            worker_process(
                url,
                prefix=other_host.prefix,
                host=THERE,
                receiver_host="0.0.0.0",
                advertise_host=THERE,
            )
        )
        gateway.process.line("ready")

        async def status() -> str:
            found = await asyncio.to_thread(gateway.get, "/v1/realtime/workers")
            return str(next(w["status"] for w in found.json()["workers"] if w["worker_id"] == far.worker_id))

        async def main() -> None:
            async with client(gateway) as me:
                await me.event("session.begin")
                other_host.cut()
                await until(lambda: _is(status, "offline"))
                assert (await told(gateway))["code"] == "no_capacity"
                other_host.heal()
                await until(lambda: _is(status, "ready"))
                begin = await told(gateway)
                assert begin["type"] == "session.begin"

        run(main())


@pytest.mark.timeout(150)
def test_a_host_that_is_cut_off_while_it_speaks_costs_no_word(other_host: Host, tmp_path: Path) -> None:
    pcm = samples("two_cities.wav")[SPEECH].tobytes()
    with ExitStack() as stack:
        url = stack.enter_context(redis_for_all(tmp_path))
        stack.enter_context(process("broker", redis_url=url))
        gateway = stack.enter_context(gateway_process(url))
        far = stack.enter_context(
            worker_process(
                url,
                prefix=other_host.prefix,
                host=THERE,
                receiver_host="0.0.0.0",
                advertise_host=THERE,
                models=MODEL,
            )
        )

        async def main() -> tuple[list[Told], Told]:
            await wait_for(gateway, far, "ready")
            async with begun(gateway, 2) as sessions:
                near = await asyncio.to_thread(stack.enter_context, worker_process(url, models=MODEL))
                await wait_for(gateway, near, "ready")
                speaking = asyncio.create_task(play(pcm, sessions))
                await until(lambda: _are_told(sessions, SAID))
                other_host.cut()
                told = await speaking
            async with begun(gateway, 1) as sessions:
                reference = (await play(pcm, sessions))[0]
            other_host.heal()
            await wait_for(gateway, far, "ready")
            return told, reference

        told, reference = run(main(), 120)
        for each in told:
            found = compare(reference.transcript, each.transcript)
            assert found.lost + found.doubled == 0, found.passages
            assert each.codes == ["worker_lost"]
            assert each.longest_pause < MOVED_S
        assert reference.codes == []


async def _are_told(sessions: list[Client], events: int) -> bool:
    return all(me.seq > events for me in sessions)


async def _is(status: Callable[[], Awaitable[str]], expected: str) -> bool:
    return await status() == expected


async def told(gateway: GatewayProcess) -> dict[str, object]:
    """The first event of a new session."""
    async with client(gateway) as me:
        return await me.event()
