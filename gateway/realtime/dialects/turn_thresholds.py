"""Turns Flux's confidences that a turn is over into lengths of silence."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import MIN_SILENCE_MS

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "eot_threshold": (0.5, 1.0),
    "eager_eot_threshold": (0.3, 0.9),
    "eot_timeout_ms": (500, 60_000),
}
SHORTEST_S: Final = 0.3  # Seconds of silence that end a turn at the lowest threshold.
MORE_S: Final = 2.0  # Seconds that are added for each 1.0 of threshold above the lowest.


class TurnThresholds(msgspec.Struct, frozen=True, omit_defaults=False):
    """What a client asks for; without an eager threshold there is no `EagerEndOfTurn`."""

    eot_threshold: float = 0.7
    eager_eot_threshold: float | None = None
    eot_timeout_ms: int = 5_000

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "TurnThresholds":
        """Those of a request.

        Raises:
            InvalidParameter: a value is no number, or out of its range.
        """
        return cls().changed(values)

    def changed(self, values: Any) -> "TurnThresholds":
        """The same with some other values; what is no object changes nothing.

        Raises:
            InvalidParameter: a value is no number, or out of its range.
        """
        known = values if isinstance(values, Mapping) else {}
        found = {name: _number(name, known[name]) for name in RANGES if known.get(name) is not None}
        if "eot_timeout_ms" in found:
            found["eot_timeout_ms"] = round(found["eot_timeout_ms"])
        return msgspec.structs.replace(self, **found)

    @property
    def silence_s(self) -> float:
        """Seconds of silence that end a turn."""
        timeout = self.eot_timeout_ms / 1000
        if self.eot_threshold >= 1.0:
            return timeout
        return min(SHORTEST_S + (self.eot_threshold - RANGES["eot_threshold"][0]) * MORE_S, timeout)

    @property
    def trigger(self) -> str:
        """What that silence is called: a decision, or the time-out."""
        return "timeout" if self.silence_s >= self.eot_timeout_ms / 1000 else "model"

    @property
    def min_silence_ms(self) -> int:
        """Milliseconds of silence that end an utterance of the session."""
        share = 1.0 if self.eager_eot_threshold is None else self.eager_eot_threshold
        low, high = MIN_SILENCE_MS
        return min(max(round(self.silence_s * share * 1000), low), high)

    @property
    def ends_with_utterance(self) -> bool:
        """Whether the end of an utterance is the end of the turn."""
        return self.min_silence_ms >= round(self.silence_s * 1000)

    @property
    def eager_confidence(self) -> float:
        """The share of the silence that is over at an eager end: a measure of silence, no probability."""
        return round(min(self.min_silence_ms / 1000 / self.silence_s, 1.0), 3)


def _number(name: str, value: Any) -> float:
    low, high = RANGES[name]
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not low <= number <= high:
        given = f", not {value[:40]!r}" if isinstance(value, str) else ""
        raise InvalidParameter(name, f"{name} must be from {low:g} to {high:g}{given}")
    return number
