"""Checks that what a test starts is heard, ends when it is told to, and leaves nothing behind."""

import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.managed_process import ManagedProcess

PARENT = (
    "import subprocess, sys, time;"
    "sleeper = [sys.executable, '-c', 'import time; time.sleep(600)'];"
    "child = subprocess.Popen(sleeper, start_new_session=True);"
    "print('child', child.pid, flush=True); time.sleep(600)"
)
TWO_PIPES = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def python(code: str) -> tuple[str, str, str]:
    """A command that runs this code."""
    return sys.executable, "-c", code


def test_the_end_of_the_block_ends_a_process_and_its_children() -> None:
    with ManagedProcess(*python(PARENT)) as parent:
        child = psutil.Process(int(parent.line("child").split()[1]))
    assert not parent.is_running
    child.wait(10)  # It is killed; the kernel needs a moment to end it.


def test_a_test_that_fails_leaves_no_process() -> None:
    with pytest.raises(ZeroDivisionError), ManagedProcess(*python(PARENT)) as parent:
        raise ZeroDivisionError
    assert parent.wait(0) == -signal.SIGKILL


def test_both_outputs_come_in_one_order_with_their_times() -> None:
    with ManagedProcess(*python(TWO_PIPES)) as process:
        assert process.wait() == 3
        assert process.lines == ["out", "err"]
        assert process.times == sorted(process.times)


def test_stderr_may_be_kept_apart() -> None:
    with ManagedProcess(*python(TWO_PIPES), stderr=subprocess.PIPE) as process:
        process.wait()
        assert (process.lines, process.errors) == (["out"], ["err"])


def test_a_line_that_cannot_come_any_more_is_not_waited_for() -> None:
    with ManagedProcess(*python("print(1)")) as process:
        with pytest.raises(AssertionError, match="no line '2' in \\['1'\\]"):
            process.line("2", deadline_s=600)
        assert process.line("1") == "1"
        with pytest.raises(AssertionError):
            process.line("1", skip=1)


def test_a_process_that_does_not_stop_is_killed() -> None:
    with ManagedProcess(*python(DEAF)) as process:
        process.line("deaf")
        assert process.stop(0.1) == -signal.SIGKILL
