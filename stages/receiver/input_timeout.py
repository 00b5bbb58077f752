"""Decides when the audio of a session has stopped coming, on a clock that is handed in."""

import math
from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.parameters import MinSilence
from stages.endpoint_rules import MOST, MS

# Seconds without any audio, beyond the silence that ends an utterance: more than the jitter of a network.
MARGIN_S: Final = 0.5
# Seconds until the second look: a process that was held up reads first what came meanwhile.
CONFIRM_S: Final = 0.02


@dataclass(slots=True)
class InputTimeout:
    """Expires once, and not again before there is new audio. Times are seconds of one clock.

    `min_silence_ms` may change at any time. While the client is away and may come back, nothing expires.
    """

    min_silence_ms: MinSilence
    margin_s: float = MARGIN_S
    _last_audio: float | None = None  # None: nothing has come that could end
    _is_away: bool = False
    _is_due: bool = False  # the time is over, and a second look will say whether audio came meanwhile

    def on_audio(self, now: float) -> None:
        """Audio came, and was handed on by `now`."""
        self._last_audio, self._is_due = now, False

    def on_client_away(self) -> None:
        """The client is not connected, and may come back."""
        self._is_away = True

    def on_client_present(self, now: float) -> None:
        """The client is here again: its time starts anew."""
        self._is_away, self._is_due = False, False
        if self._last_audio is not None:
            self._last_audio = now

    def seconds_to_check(self, now: float) -> float:
        """Seconds until `has_expired` is worth a call; infinite where there is nothing to wait for."""
        if self._last_audio is None or self._is_away:
            return math.inf
        if self._is_due:
            return CONFIRM_S
        return max(0.0, self._last_audio + self._limit - now)

    def has_expired(self, now: float) -> bool:
        """Whether the audio has stopped; to be called while there is none to read."""
        if self._last_audio is None or self._is_away or now - self._last_audio < self._limit:
            return False
        if not self._is_due:
            self._is_due = True
            return False
        self._last_audio, self._is_due = None, False
        return True

    @property
    def _limit(self) -> float:
        silence_ms = MOST / MS if self.min_silence_ms == "auto" else self.min_silence_ms
        return silence_ms / 1000 + self.margin_s
