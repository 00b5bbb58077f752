"""How many messages come in, how long to let them gather before the next look out.

A process that is woken for each message spends more on waking than on the message. Where messages come
fast, a short wait lets several come together, as network cards do with interrupts; where they do not, there
is no wait. A batch is then larger, which the VAD's network gains most from.
"""

from typing import Final

MANY: Final = 500  # messages a second from which it pays: about 50 sessions
WAIT_S: Final = 0.002
WINDOW_S: Final = 0.25  # over which they are counted


class Coalescing:
    """Counts the messages of one process; times are in seconds of any clock."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        self._since = self._count = 0.0

    def took(self, messages: int, now: float) -> None:
        """So many were there when the process looked."""
        self._count += messages
        if (spent := now - self._since) >= WINDOW_S:
            self.wait_s = WAIT_S if self._count >= MANY * spent else 0.0
            self._since, self._count = now, 0.0
