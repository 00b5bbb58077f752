"""Checks that structlog comes without rich, which is there for whoever wants it afterwards."""

import subprocess
import sys


def test_structlog_does_not_load_rich_and_rich_can_still_be_loaded() -> None:
    code = (
        "import sys, runtime.logs as logs; assert 'rich' not in sys.modules;"
        " logs.configure_logging('x', 'info'); logs.get_logger('x').info('works', n=1);"
        " assert 'rich' not in sys.modules; import rich.console"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "INFO    x works n=1\n")


def test_without_rich_structlog_shows_tracebacks_all_the_same() -> None:
    code = (
        "import runtime.logs as logs; logs.configure_logging('x', 'info')\n"
        "try: 1 / 0\n"
        "except ZeroDivisionError: logs.get_logger('x').exception('failed')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
