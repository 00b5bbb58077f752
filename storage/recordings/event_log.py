"""Writes the events of a session that one writer saw, a line of JSON each."""

import os
from pathlib import Path
from typing import Final

MAX_PENDING_BYTES: Final = 4 << 20  # Bytes of events that wait for a full disk: hours of finals.


class EventLog:
    """A file of lines. What can't be written waits, up to a bound."""

    def __init__(self, path: Path, first_line: bytes) -> None:
        self.lost = 0  # Events that had no room to wait.
        self._path = path
        self._file: int | None = None
        self._size = 0  # Bytes that are written, all of them whole lines.
        self._pending = bytearray(first_line + b"\n")

    @property
    def is_open(self) -> bool:
        """Whether its file is there."""
        return self._file is not None

    def append(self, event: bytes) -> None:
        """Add an event."""
        if len(self._pending) + len(event) > MAX_PENDING_BYTES:
            self.lost += 1
        else:
            self._pending += event + b"\n"

    def flush(self) -> None:
        """Write what waits.

        Raises:
            OSError: it waits on.
        """
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        while self._pending:
            # A line that was cut off by a full disk is written again from its begin.
            data = bytes(self._pending)
            written = os.pwrite(self._file, data, self._size)
            whole = data.rfind(b"\n", 0, written) + 1
            if not whole and written < len(data):
                os.ftruncate(self._file, self._size)
                raise OSError(28, os.strerror(28))
            del self._pending[:whole]
            self._size += whole

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
