"""Kills each process of a server as users start it: a session goes on, with all of its words."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dalston_realtime.client import SessionEnd, transcribe_stream
from runtime.local_server import ROOT, free_ports
from tests.support.managed_process import ManagedProcess, clean_environment
from tests.support.servers import data_folder
from tests.support.speech import samples
from tests.support.system_sessions import DEADLINE_S, FULL_SPEED, paced

SPEECH = slice(16_000, 13 * 16_000)  # Samples.
MODULES = (
    "broker",
    "gateway",
    "stages.receiver",
    "stages.vad",
    "stages.asr",
    "stages.assembler",
    "stages.sender",
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ManagedProcess, str]]:
    """`dalston-rt serve`, and its URL."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as folder:
        port, worker_port = free_ports(2)
        settings = {"gateway_port": str(port), "receiver_port": str(worker_port)}
        settings |= {"run_dir": f"{folder}/run", "data_dir": data_folder(Path(folder))}
        env = clean_environment(**settings)
        env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
        command = (sys.executable, "-m", "dalston_realtime.cli", "serve")
        with ManagedProcess(*command, env=env, cwd=ROOT) as process:
            process.line("ready: ")
            yield process, f"ws://127.0.0.1:{port}"


def running(process: ManagedProcess, name: str) -> psutil.Process:
    """The process that runs a module, or the redis-server."""
    family = psutil.Process(process.pid).children(recursive=True)
    if name == "redis":
        return next(each for each in family if "redis-server" in each.name())
    return next(each for each in family if each.cmdline()[-2:] == ["-m", name])


async def transcript(url: str, pcm: bytes, victim: psutil.Process | None = None) -> str:
    """What is heard of speech; where a process is to be killed, in its middle and in real time."""
    async with asyncio.timeout(DEADLINE_S), transcribe_stream(url, resume_for=30) as session:

        async def speak() -> None:
            sent = 0
            async for chunk in paced(pcm, FULL_SPEED if victim is None else 1.0):
                if victim is not None and sent < len(pcm) // 2 <= sent + len(chunk):
                    victim.kill()
                await session.send(chunk)
                sent += len(chunk)
            await session.end()

        speaking = asyncio.create_task(speak())
        async for event in session:
            if isinstance(event, SessionEnd):
                await speaking
                return event.transcript or ""
        raise AssertionError("no session.end")


@pytest.fixture(scope="module")
def undisturbed(server: tuple[ManagedProcess, str]) -> str:
    """What is heard where nothing dies."""
    return asyncio.run(transcript(server[1], speech()))


def words(text: str) -> list[str]:
    """Without punctuation, which depends on what is decoded together."""
    return re.findall(r"[a-z']+", text.lower())


def speech() -> bytes:
    """The begin of a recording."""
    return samples("two_cities.wav")[SPEECH].tobytes()


@pytest.mark.parametrize("name", ["redis", *MODULES])
def test_a_process_that_is_killed_comes_back_and_no_word_is_lost(
    server: tuple[ManagedProcess, str], undisturbed: str, name: str
) -> None:
    process, url = server
    victim = running(process, name)
    heard = asyncio.run(transcript(url, speech(), victim))
    assert not victim.is_running()
    assert running(process, name)
    assert words(heard) == words(undisturbed)
