"""What holds for all tests."""

import pytest


@pytest.fixture(autouse=True)
def every_log_line_is_caught(caplog: pytest.LogCaptureFixture) -> None:
    """NeMo raises the level of all handlers of its logger, and pytest's own is among them."""
    caplog.handler.setLevel(0)
