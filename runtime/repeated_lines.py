"""Lets a line that clients can cause be logged once a minute, with how often it came."""

import logging
import time
from collections.abc import Callable
from typing import Final

PERIOD_S: Final = 60.0  # Seconds between two lines of one kind.
MAX_KINDS: Final = 100  # Kinds of lines that are known; a kind is a text of the code, so there are a few.


class RepeatFilter(logging.Filter):
    """Passes the first line of each kind in a minute; the next one then says how many were left out."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, period: float = PERIOD_S) -> None:
        super().__init__()
        self._clock, self._period = clock, period
        self._last: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written; adds the number of those that were not."""
        event = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
        kind, now = (record.name, str(event)), self._clock()
        if now - self._last.get(kind, float("-inf")) < self._period:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        if len(self._last) >= MAX_KINDS:
            self._last.clear()
            self._left_out.clear()
        self._last[kind] = now
        if count := self._left_out.pop(kind, 0):
            _say(record, count)
        return True


def count_repeats(*loggers: str) -> None:
    """Have these loggers write one line a minute of each kind."""
    repeats = RepeatFilter()
    for name in loggers:
        logging.getLogger(name).addFilter(repeats)


def _say(record: logging.LogRecord, count: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = record.msg | {"left_out": count}
    else:
        record.msg = f"{record.msg} ({count} more since the last such line)"
