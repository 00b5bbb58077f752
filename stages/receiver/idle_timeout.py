"""Decides when a client has given no sign of its own for too long, on a clock that is handed in."""

import math
from dataclasses import dataclass


@dataclass(slots=True)
class IdleTimeout:
    """Audio and keepalives hold it off, and nothing else does. Times are seconds of one clock.

    While the client is away and may come back, it does not expire.
    """

    limit_s: float
    _last_sign: float
    _is_away: bool = False

    def on_sign(self, now: float) -> None:
        """Audio or a keepalive came, and was handled by `now`."""
        self._last_sign = now

    def on_client_away(self) -> None:
        """The client is not connected, and may come back."""
        self._is_away = True

    def on_client_present(self, now: float) -> None:
        """The client is here again: its time starts anew."""
        self._is_away, self._last_sign = False, now

    def seconds_left(self, now: float) -> float:
        """Seconds until it expires, 0 where it has; infinite while the client is away."""
        return math.inf if self._is_away else max(0.0, self._last_sign + self.limit_s - now)
