"""Breaks a connection whose peer has taken nothing of what is written to it for too long."""

import asyncio
from typing import Final

UNWRITABLE_S: Final = 30.0  # Seconds in which a peer that does not read must take something.


class WriteDeadline:
    """The deadline of one connection; it runs while more is to be written than the connection holds."""

    def __init__(self, transport: asyncio.Transport, seconds: float = UNWRITABLE_S) -> None:
        self._transport, self._seconds = transport, seconds
        self._timer: asyncio.TimerHandle | None = None
        self._left = 0  # Bytes that waited when the deadline was last set.

    def start(self) -> None:
        """The peer has that long from now to take something."""
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check)

    def stop(self) -> None:
        """What waited is taken, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.start()
        else:
            self._transport.abort()
