"""Decides how long a process lets messages accumulate before it looks at them.

A process that is woken for each message spends more on waking than on the message. Where messages come
fast, a short wait lets several come together, as network cards coalesce interrupts; where they do not, there
is no wait. A batch is then larger, which the VAD's network gains most from.
"""

from typing import Final

MANY: Final = 500  # Messages a second, those of about 50 sessions, from which the wait saves time.
WAIT_S: Final = 0.002  # Seconds of the wait: nobody notices them in a result.
COUNTED_S: Final = 0.25  # Seconds over which messages are counted, so that one burst does not matter.


class Coalescing:
    """Counts the messages of one process; times are in seconds of any clock."""

    def __init__(self) -> None:
        self.wait_s = 0.0
        self._since = self._count = 0.0

    def count_messages(self, messages: int, now: float) -> None:
        """So many messages were there when the process looked."""
        self._count += messages
        if (spent := now - self._since) >= COUNTED_S:
            self.wait_s = WAIT_S if self._count >= MANY * spent else 0.0
            self._since, self._count = now, 0.0
