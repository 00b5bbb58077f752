"""Decides which recordings each session plays, in which order."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.load.chunks import TAIL_S
from bench.recordings.recording import Recording

STAGGER_S: Final = 0.37  # Seconds between the starts of two sessions: people do not begin to speak together.


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The recordings for all sessions: each plays about `seconds` of them, in an order of its own.

    `tail_s` are the seconds of silence behind each recording.
    """

    recordings: Sequence[Recording]
    seconds: float
    seed: int
    tail_s: float = TAIL_S

    def playlist(self, session: int) -> list[Recording]:
        """The recordings of one session, the same for the same seed.

        A recording is played again only after all others were played.
        """
        order = random.Random(f"{self.seed}:{session}")  # noqa: S311 - no secret
        playlist: list[Recording] = []
        total = 0.0
        while total < self.seconds:
            for recording in order.sample(list(self.recordings), len(self.recordings)):
                playlist.append(recording)
                total += recording.seconds
                if total >= self.seconds:
                    break
        return playlist

    def length(self, session: int) -> float:
        """The least number of seconds from the beginning of the run to the end of this session."""
        return session * STAGGER_S + sum(r.seconds + self.tail_s for r in self.playlist(session))
