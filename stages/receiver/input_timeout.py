"""Whether the audio of a session has stopped coming, by the wall clock: the state, without the clock."""

import math
from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.parameters import MinSilence
from stages.endpoint_rules import MOST, MS

BEYOND_S: Final = 0.5  # of nothing at all, beyond the silence that ends an utterance: no network's jitter
AGAIN_S: Final = 0.02  # a process that was held up first reads what came meanwhile, and then looks again


@dataclass(slots=True)
class InputTimeout:
    """A stall is told once, and not again before there is new audio. Times are seconds of one clock.

    `min_silence_ms` may change at any time. While the client is `away` and may come back, nothing stalls.
    """

    min_silence_ms: MinSilence
    _since: float | None = None  # nothing has come since; None: nothing was heard that could end
    _away: bool = False
    _suspected: bool = False

    def heard(self, now: float) -> None:
        """Audio came, and was handed on by `now`."""
        self._since, self._suspected = now, False

    def leave(self) -> None:
        """The client is away."""
        self._away = True

    def come_back(self, now: float) -> None:
        """The client is here again: its time starts anew."""
        self._away, self._suspected = False, False
        if self._since is not None:
            self._since = now

    def remaining(self, now: float) -> float:
        """Seconds until `look` is worth a call; infinite where there is nothing to wait for."""
        if self._since is None or self._away:
            return math.inf
        if self._suspected:
            return AGAIN_S
        return max(0.0, self._since + self._limit - now)

    def look(self, now: float) -> bool:
        """Whether the audio has stopped; to be called while there is none to read."""
        if self._since is None or self._away or now - self._since < self._limit:
            return False
        if not self._suspected:
            self._suspected = True
            return False
        self._since, self._suspected = None, False
        return True

    @property
    def _limit(self) -> float:
        silence_ms = MOST / MS if self.min_silence_ms == "auto" else self.min_silence_ms
        return silence_ms / 1000 + BEYOND_S
