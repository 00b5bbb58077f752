"""Decides which recordings each session plays, in which order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.recordings.recording import Recording

STAGGER_S: Final = 0.37  # Seconds between the starts of two sessions: people do not begin to speak together.


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What every session plays: different recordings in an order of its own, about `seconds` of audio."""

    recordings: Sequence[Recording]
    seconds: float
    seed: int
    tail_s: float = 1.5

    def playlist(self, session: int) -> list[Recording]:
        """The same for the same seed; a recording comes again only after all others."""
        order = random.Random(f"{self.seed}:{session}")  # noqa: S311 - no secret
        chosen: list[Recording] = []
        total = 0.0
        while total < self.seconds:
            for recording in order.sample(list(self.recordings), len(self.recordings)):
                chosen.append(recording)
                total += recording.seconds
                if total >= self.seconds:
                    break
        return chosen

    def length(self, session: int) -> float:
        """Seconds that the session takes at least."""
        return session * STAGGER_S + sum(r.seconds + self.tail_s for r in self.playlist(session))
