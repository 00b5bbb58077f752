"""Serves a gateway's WebSocket no further than its results are taken, and breaks it where none is taken.

Checked against websockets 17.4; tests/unit/stages/receiver/test_guarded_connection.py fails where another
version behaves differently. By itself, a connection of websockets reads on while nothing can be written, and
each ping leaves a pong in the memory.

- `recv_messages.resume` is what it calls to read on when the frames before are taken; `recv_messages.paused`
  says whether they are not.
- `pause_writing` and `resume_writing` are asyncio's.
"""

import asyncio

from websockets.asyncio.server import ServerConnection

from runtime.plain_frames import PlainFrames
from runtime.write_deadline import WriteDeadline


class GuardedConnection(PlainFrames, ServerConnection):
    """A connection to be made by `serve(create_connection=...)`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read on only where something can be written."""
        super().connection_made(transport)
        self._deadline = WriteDeadline(self.transport)
        self.recv_messages.resume = self._resume_reading

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing can be taken any more."""
        self._deadline.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Read nothing, since what comes may have to be answered."""
        super().pause_writing()
        self._deadline.start()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on, unless frames wait that were read before."""
        super().resume_writing()
        self._deadline.stop()
        if not self.recv_messages.paused:
            self.transport.resume_reading()

    def _resume_reading(self) -> None:
        if not self.paused:
            self.transport.resume_reading()
