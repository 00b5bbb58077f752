"""Marks which transport holds a session, so that the session can let go of it."""

import asyncio

from gateway.sessions.outcome import SessionOutcome


class Attachment:
    """One transport's hold on a session, from its connection to its end or to the next connection."""

    def __init__(self) -> None:
        self.detached: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        self._let_go = asyncio.Event()

    async def detach(self, outcome: SessionOutcome) -> None:
        """End the connection, not the session; returns when nothing more is taken from the session."""
        if not self.detached.done():
            self.detached.set_result(outcome)
        await self._let_go.wait()

    def let_go(self) -> None:
        """The transport takes nothing more from the session."""
        self._let_go.set()
