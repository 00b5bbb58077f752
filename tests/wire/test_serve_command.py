"""What a person in a terminal sees of a start, a stop and a failed start, line by line."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from runtime.local_server import ROOT, free_ports
from tests.support.managed_process import DEADLINE_S, ManagedProcess, clean_environment
from tests.support.servers import data_folder

AT_ONCE_S = 4.5  # Seconds behind the first Ctrl-C, below the five after which what hangs is killed.
PROGRAMS = Path(sys.executable).parent
SERVE = (sys.executable, "-m", "dalston_realtime.cli", "serve")
MAKE = ("make", "--old-file=install", "run")
HONCHO = (PROGRAMS / "honcho", "start", "--env", os.devnull)
NOISE = ("overcommit", "is away", "oO0O", "Traceback", "Error 130", "WARNING", "sending SIG")


@contextmanager
def started(*command: str | Path, **settings: str) -> Iterator[ManagedProcess]:
    """A server that was started as in a terminal, in a folder of its own for its data."""
    with tempfile.TemporaryDirectory(prefix="dalston-") as folder:
        port, worker_port = free_ports(2)
        defaults = {
            "gateway_port": str(port),
            "receiver_port": str(worker_port),
            "run_dir": f"{folder}/run",
            "data_dir": data_folder(Path(folder)),
        }
        env = clean_environment(**(defaults | settings))
        env["PATH"] = f"{PROGRAMS}{os.pathsep}{env['PATH']}"
        with ManagedProcess(*command, env=env, cwd=ROOT) as process:
            yield process


def press_ctrl_c(process: ManagedProcess) -> None:
    """Send SIGINT as a terminal does, to the whole foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def family(process: ManagedProcess) -> list[psutil.Process]:
    """All processes of the server."""
    return psutil.Process(process.pid).children(recursive=True)


@pytest.mark.parametrize("command", [SERVE, MAKE], ids=["serve", "make"])
def test_a_start_and_a_stop_have_no_line_that_alarms(command: tuple[str, ...]) -> None:
    with started(*command) as process:
        process.line("ready: ws://127.0.0.1:")
        press_ctrl_c(process)
        assert process.wait() in (0, -signal.SIGINT)  # make ends by the signal
    assert not [line for line in process.lines if any(noise in line for noise in NOISE)], process.lines
    assert not [line for line in process.lines if "make:" in line]
    assert sum("stopped (rc=0)" in line for line in process.lines) == 9


def test_plain_honcho_has_none_either() -> None:
    with started(*HONCHO) as process:
        process.line("ready: ws://127.0.0.1:")
        press_ctrl_c(process)
        process.wait()
    its_own = [line for line in process.lines if " system " not in line]
    assert not [line for line in its_own if any(noise in line for noise in NOISE)], its_own


@pytest.mark.parametrize("setting", ["gateway_port", "receiver_port"])
def test_a_taken_port_is_the_last_line(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started(*SERVE, **{setting: port}) as process:
            assert process.wait() == 1
    assert f" port {port}: " in process.lines[-1]
    assert "already in use" in process.lines[-1]
    assert process.lines[-1].endswith(f"set another DALSTON_{setting.upper()}")


def test_a_second_ctrl_c_ends_it_at_once() -> None:
    with started(*SERVE) as process:
        process.line("ready: ")
        running = family(process)
        for each in running:
            if "stages.asr" in " ".join(each.cmdline()):
                each.suspend()  # It would hold the stop up until it is killed.
        began = time.monotonic()
        press_ctrl_c(process)
        process.line("Ctrl-C again ends it at once")
        press_ctrl_c(process)
        assert process.wait() == 0
        assert time.monotonic() - began < AT_ONCE_S
        _, left = psutil.wait_procs(running, timeout=DEADLINE_S)
        assert not left


def test_a_ctrl_c_while_it_starts_ends_it_too() -> None:
    with started(*SERVE) as process:
        process.line("started")
        press_ctrl_c(process)
        assert process.wait() == 0
    assert not any("Traceback" in line for line in process.lines), process.lines
