"""What holds for all tests."""

import pytest
from hypothesis import settings

from runtime.logs import route_to_logging

route_to_logging()  # so that `caplog` sees what our own code logs

# A test run says something about the change under test: it has the same examples each time. `make fuzz`
# looks for others.
settings.register_profile("repeatable", derandomize=True, database=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def every_log_line_is_caught(caplog: pytest.LogCaptureFixture) -> None:
    """NeMo raises the level of all handlers of its logger, and pytest's own is among them."""
    caplog.handler.setLevel(0)
