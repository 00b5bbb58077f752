"""Ends the supervisor and its programs at any moment: what dies comes back, what is stopped ends in order."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from runtime.local_server import ROOT
from runtime.procfile import with_interpreter
from tests.support.managed_process import ManagedProcess

QUICK_S = 4.5  # Seconds; honcho would kill after 5.
GIVES_UP_S = 30.0  # Seconds; five restarts with the waits before them take about nine.
UP = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(15, signal.SIG_IGN);" + UP
SLOW = "import signal, sys, time; signal.signal(15, lambda *_: (time.sleep(0.3), sys.exit(0)));" + UP
USES_STORE = (
    """
import pathlib, signal, sys, time

def end(*_):
    time.sleep(0.3)
    print("the store is", "gone" if pathlib.Path("gone").exists() else "there", flush=True)
    sys.exit(0)

signal.signal(15, end)
"""
    + UP
)
STORE = (
    "import pathlib, signal, sys; signal.signal(15, lambda *_: (pathlib.Path('gone').touch(), sys.exit(0)));"
    + UP
)
FAILS = "import sys; print('up', flush=True); sys.exit(70)"
REFUSES = "import sys; sys.exit('one: port 9 is taken')"
FAILS_FIRST = (
    """
import pathlib, sys
starts = pathlib.Path("starts")
with starts.open("a") as file: file.write("x")
if len(starts.read_text()) < 3: sys.exit(70)
"""
    + UP
)
BLOCKED = (
    "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [1, 2, 15]);"
    "os.kill(os.getpid(), 2); os.execv(sys.argv[1], sys.argv[1:])"
)


def supervised(folder: Path, *before: str, **programs: str) -> ManagedProcess:
    """The supervisor with these programs; `before` is a command that becomes what follows it."""
    for name, code in programs.items():
        (folder / f"{name}.py").write_text(code)
    (folder / "Procfile").write_text("".join(f"{name}: exec python {name}.py\n" for name in programs))
    env = with_interpreter({**os.environ, "PYTHONPATH": str(ROOT)})
    command = [*before, sys.executable, "-m", "runtime.supervisor", "start", "--env", os.devnull]
    return ManagedProcess(*command, cwd=folder, env=env)


def press_ctrl_c(process: ManagedProcess) -> None:
    """Signal the whole group in the foreground, as a terminal does."""
    os.killpg(process.pid, signal.SIGINT)


def programs_of(process: ManagedProcess, *names: str) -> list[psutil.Process]:
    """The programs, once they are up."""
    for name in names:
        process.line(rf"{name}.1 +\| up")
    family = psutil.Process(process.pid).children(recursive=True)
    found = [child for child in family if program_of(child) in names]
    assert len(found) == len(names)
    return found


def program_of(process: psutil.Process) -> str:
    """The name of the program that it runs; none of one that has just ended."""
    try:
        return process.cmdline()[-1].removesuffix(".py")
    except psutil.Error:
        return ""


def said(process: ManagedProcess) -> list[str]:
    """The lines without their times and names."""
    return [line.partition("| ")[2] or line for line in process.lines]


def test_ctrl_c_ends_all_in_order(tmp_path: Path) -> None:
    with supervised(tmp_path, one=UP, two=SLOW) as process:
        running = programs_of(process, "one", "two")
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0
        assert not any(each.is_running() for each in running)
        assert said(process)[-2:] == ["one.1 stopped (rc=-15)", "two.1 stopped (rc=0)"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_so_does_a_service_manager_and_a_closed_terminal(tmp_path: Path, number: signal.Signals) -> None:
    with supervised(tmp_path, one=UP) as process:
        (running,) = programs_of(process, "one")
        os.killpg(process.pid, number)
        assert process.wait(QUICK_S) == 0
        assert not running.is_running()


def test_a_second_ctrl_c_ends_all_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, one=DEAF, two=DEAF) as process:
        running = programs_of(process, "one", "two")
        press_ctrl_c(process)
        process.line("Ctrl-C again")
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0
        assert not any(each.is_running() for each in running)
        assert "Traceback" not in "\n".join(process.lines)


def test_a_signal_before_the_programs_are_started_ends_them_too(tmp_path: Path) -> None:
    blocked = (sys.executable, "-c", BLOCKED)
    with supervised(tmp_path, *blocked, **{f"p{number}": UP for number in range(8)}) as process:
        assert process.wait() == 0
        assert any("Ctrl-C again" in line for line in process.lines)
        assert "Traceback" not in "\n".join(process.lines)


def test_where_nobody_reads_any_more_it_ends(tmp_path: Path) -> None:
    head = ("sh", "-c", '"$@" | head -1', "sh")
    talks = "import time\nwhile True: print('up', flush=True); time.sleep(0.02)"
    with supervised(tmp_path, *head, one=talks) as process:
        assert process.wait() == 0
        assert len(process.lines) == 1


@pytest.mark.parametrize("others", [{"redis": STORE, "one": USES_STORE}, {"one": USES_STORE, "redis": STORE}])
def test_redis_ends_behind_those_who_still_write_to_it(tmp_path: Path, others: dict[str, str]) -> None:
    with supervised(tmp_path, **others) as process:
        programs_of(process, "one", "redis")
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0
        assert "the store is there" in said(process)
        assert said(process)[-1] == "redis.1 stopped (rc=0)"


def test_redis_ends_alone_too(tmp_path: Path) -> None:
    with supervised(tmp_path, redis=STORE) as process:
        programs_of(process, "redis")
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0


def test_a_program_that_is_killed_starts_again_and_the_others_stay(tmp_path: Path) -> None:
    with supervised(tmp_path, one=UP, two=UP, redis=UP) as process:
        programs = programs_of(process, "one", "two", "redis")
        one, two, store = sorted(
            programs, key=lambda each: ("one.py", "two.py", "redis.py").index(each.cmdline()[-1])
        )
        for victim, name in ((one, "one"), (store, "redis")):
            seen = len(process.lines)
            victim.kill()
            process.line(rf"{name}.1 +\| up", skip=seen)
        assert two.is_running()
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0
        assert said(process)[-1] == "redis.1 stopped (rc=-15)"


def test_a_program_that_fails_at_first_gets_time(tmp_path: Path) -> None:
    with supervised(tmp_path, one=FAILS_FIRST) as process:
        process.line(r"one.1 +\| up")
        starts = [line for line in said(process) if "starts again in" in line]
        assert starts == ["one.1 starts again in 0.2 s", "one.1 starts again in 0.4 s"]


def test_what_cannot_hold_itself_ends_all_with_its_last_words(tmp_path: Path) -> None:
    with supervised(tmp_path, one=FAILS, two=UP) as process:
        (two,) = programs_of(process, "two")
        assert process.wait(GIVES_UP_S) == 70
        assert not two.is_running()
        assert process.lines[-1] == "dalston-rt: one.1 stopped 6 times in a short time (rc=70): up"


def test_a_refusal_to_start_ends_all_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, one=REFUSES, two=UP) as process:
        assert process.wait() == 1
        assert process.lines[-1] == "dalston-rt: one.1 stopped (rc=1): one: port 9 is taken"
        assert not any("starts again" in line for line in process.lines)


def test_a_signal_ends_what_waits_for_its_restart_too(tmp_path: Path) -> None:
    with supervised(tmp_path, one=FAILS) as process:
        process.line("one.1 starts again in 0.8 s")
        press_ctrl_c(process)
        assert process.wait(QUICK_S) == 0
