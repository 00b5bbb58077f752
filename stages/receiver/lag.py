"""Measures how far results are behind the audio of one session, also while its socket is not being read."""

from dataclasses import dataclass, field
from typing import Final, Literal

from dalston_realtime.protocol.audio import SAMPLE_RATE

CREDIT: Final = 2 * SAMPLE_RATE
"""Samples that a session may have in the pipeline. Beyond that its socket is not read, so a client that
sends faster than real time is slowed down by TCP, and memory stays flat."""

IDLE_READ_S: Final = 0.002  # Seconds: a read that took longer had nothing waiting.

LagVerdict = Literal["fine", "warn", "exceeded"]


@dataclass(frozen=True, slots=True)
class LagLimits:
    """From which lag on a client is warned, and its session ended; all in seconds."""

    warn: float = 3.0
    end: float = 5.0
    end_after: float = 2.0  # The limit must be exceeded for so long: a stage may be held up for a moment.
    warn_every: float = 1.0
    lead: float = 5.0  # Of audio that came faster than real time, a client has so much to spare at most.


@dataclass(slots=True)
class Lag:
    """Received minus processed audio, plus what a client in real time must have waiting in its socket.

    While the socket is not read, audio cannot be counted. `debt` stands for it: it grows with the time
    for which reading stopped, shrinks with the audio that is then read, and is gone when the socket has
    nothing waiting. `lead` stands for audio that was waiting and was read faster than real time: reading may
    stop for so long before anything is owed, as for one long forward pass. So a client that sends a file as
    fast as it is taken never lags as long as the pipeline is faster than real time, and a live one, which
    has no lead, is seen to lag when it is not.
    """

    received: int = 0  # samples
    processed: int = 0  # samples
    limits: LagLimits = field(default_factory=LagLimits)
    debt: float = 0.0  # seconds
    lead: float = 0.0  # seconds
    _exceeded_since: float | None = None
    _warned: float = float("-inf")

    @property
    def audio_s(self) -> float:
        """Seconds of audio received."""
        return self.received / SAMPLE_RATE

    @property
    def processed_s(self) -> float:
        """Seconds of audio processed."""
        return self.processed / SAMPLE_RATE

    @property
    def has_credit(self) -> bool:
        """Whether more audio may be read."""
        return self.received - self.processed < CREDIT

    def on_read(self, samples: int, held_s: float, *, waited_s: float) -> None:
        """Audio was read after waiting for it for `waited_s`, and after not reading for `held_s`."""
        self.received += samples
        waited = waited_s > IDLE_READ_S
        if waited:
            self.debt, self.lead = 0.0, max(0.0, self.lead - waited_s)
        covered = min(self.lead, held_s)
        self.lead -= covered
        owed = self.debt + held_s - covered - samples / SAMPLE_RATE
        self.debt = max(0.0, owed)
        if not waited:
            self.lead = min(self.limits.lead, self.lead + max(0.0, -owed))

    def on_empty_socket(self) -> None:
        """The socket has nothing waiting."""
        self.debt = self.lead = 0.0

    def seconds(self, held_s: float = 0.0) -> float:
        """The lag now, where reading has been held for `held_s` so far."""
        return (self.received - self.processed) / SAMPLE_RATE + self.debt + max(0.0, held_s - self.lead)

    def assess(self, now: float, held_s: float = 0.0) -> LagVerdict:
        """Whether to warn, at most once in a while, or to end the session; `now` in seconds."""
        lag = self.seconds(held_s)
        if lag < self.limits.end:
            self._exceeded_since = None
        elif self._exceeded_since is None:
            self._exceeded_since = now
        elif now - self._exceeded_since >= self.limits.end_after:
            return "exceeded"
        if lag >= self.limits.warn and now - self._warned >= self.limits.warn_every:
            self._warned = now
            return "warn"
        return "fine"
