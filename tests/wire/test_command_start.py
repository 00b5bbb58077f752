"""Presses Ctrl-C while the command `dalston-rt` still loads its libraries."""

import os
import signal
import sys
from pathlib import Path

from tests.support.client_commands import COMMAND
from tests.support.managed_process import ManagedProcess

SLOW_LIBRARY = "import time; print('loading', flush=True); time.sleep(600)"


def test_ctrl_c_while_its_libraries_are_loaded_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(SLOW_LIBRARY)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    with ManagedProcess(*COMMAND, "models", env=env) as process:
        process.line("loading")
        process.send(signal.SIGINT)
        assert process.wait() == -signal.SIGINT
        assert process.lines == ["loading"]
