"""What clients can cause to be logged is one line a minute of each kind, with the number of the others."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from runtime.logs import route_to_logging
from runtime.repeated_lines import MAX_KINDS, RepeatFilter


class Log:
    """A logger with the filter, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now, self._text = 0.0, io.StringIO()
        self.logger = logging.getLogger("test.repeats")
        self.logger.propagate = False
        self.filter, self.handler = RepeatFilter(lambda: self.now), logging.StreamHandler(self._text)
        self.logger.addFilter(self.filter)
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        """What was written."""
        return self._text.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    it = Log()
    yield it
    it.logger.removeFilter(it.filter)
    it.logger.removeHandler(it.handler)
    it.logger.propagate = True


def test_a_flood_is_one_line_a_minute_with_its_number(log: Log) -> None:
    for number in range(1_000):
        log.logger.warning("garbage from port %d", number)
    log.logger.warning("something else")
    assert log.lines == ["garbage from port 0", "something else"]
    log.now = 60.0
    log.logger.warning("garbage from port %d", 7)
    assert log.lines[2:] == ["garbage from port 7 (999 more since the last such line)"]


def test_events_of_structlog_are_counted_by_their_name(log: Log) -> None:
    route_to_logging()
    ours = structlog.stdlib.get_logger("test.repeats")
    for code in range(5):
        ours.warning("broke the protocol", code=code)
    log.now = 61.0
    ours.warning("broke the protocol", code=9)
    assert len(log.lines) == 2
    assert "'left_out': 4" in log.lines[1]


def test_kinds_without_end_take_no_memory_without_end(log: Log) -> None:
    for number in range(3 * MAX_KINDS):
        log.logger.warning(f"kind {number}")
    assert len(log.filter._last) <= MAX_KINDS
