"""Starts the command `dalston-rt` with Ctrl-C while it loads its libraries, and with closed streams."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client_commands import COMMAND, recording
from tests.support.fake_server import fake_server
from tests.support.managed_process import DEADLINE_S, ManagedProcess

SLOW_LIBRARY = "import time; print('loading', flush=True); time.sleep(600)"


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_is_closed_is_no_traceback(tmp_path: Path, closed: str) -> None:
    talk, saved = recording(tmp_path / "talk.wav"), tmp_path / "talk.txt"
    with fake_server() as server:
        command = [*COMMAND, "transcribe", str(talk), "--fast", "--save", "txt", "--url", server.url]
        done = subprocess.run(
            f"{shlex.join(command)} {closed}",
            shell=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert saved.read_text()


def test_ctrl_c_while_its_libraries_are_loaded_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(SLOW_LIBRARY)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    with ManagedProcess(*COMMAND, "models", env=env) as process:
        process.line("loading")
        process.send(signal.SIGINT)
        assert process.wait() == -signal.SIGINT
        assert process.lines == ["loading"]
