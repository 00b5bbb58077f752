"""Sets up what holds for all tests: how our log lines are caught, and which examples property tests get."""

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from runtime.logs import route_to_logging

route_to_logging()  # so that `caplog` sees what our own code logs

# A busy machine is no failure: how long an example takes is not judged.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), database=None, print_blob=True)
settings.register_profile("fuzz", settings.get_profile("local"), max_examples=1_000)

HAS_SEED = "hypothesis seed {0}; `make test SEED={0}` repeats it; keep what it found as an @example"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples.

    Each run looks at other examples. What fails on one machine is kept in `.hypothesis` there and tried first
    the next time; CI, which keeps no files, has a seed that is printed and can be given again.
    """
    is_ci = os.environ.get("CI", "").lower() in ("1", "true")
    settings.load_profile("ci" if is_ci else "local")
    if is_ci and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().randrange(1 << 32))


def _seed_line(config: pytest.Config) -> list[str]:
    seed = config.option.hypothesis_seed
    return [] if seed is None else [HAS_SEED.format(seed)]


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which seed the property tests have, where they have one."""
    return _seed_line(config)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
) -> None:
    """Say it again where something failed: `pytest -q` has no header."""
    for line in _seed_line(config) if exitstatus else []:
        terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what shares a server, where tests run on several cores."""
    from tests.support.scheduling import RingScheduling

    return RingScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True)
def every_log_line_is_caught(caplog: pytest.LogCaptureFixture) -> None:
    """NeMo raises the level of all handlers of its logger, and pytest's own is among them."""
    caplog.handler.setLevel(0)
