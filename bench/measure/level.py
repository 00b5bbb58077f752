"""A number of sessions at once in, everything that was measured on them out."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import uvloop

from bench.load.playback import Player, Target
from bench.load.recordings import Recording
from bench.measure.figures import Figures, errors_of, summarize, thinned
from bench.measure.process_usage import Cost, Meter
from bench.measure.score import Playback, Score, score
from dalston_realtime.client.results.latency import BudgetRow, budget_rows
from dalston_realtime.client.results.transcript import Sample

STAGGER_S: Final = 0.37  # between the starts of two sessions: people do not begin to speak together


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


@dataclass(frozen=True, slots=True)
class Level:
    """All that was measured at one number of sessions."""

    sessions: int
    interrupted: bool
    figures: Figures
    budget: tuple[BudgetRow, ...]
    errors: tuple[str, ...]
    scores: tuple[Score, ...]
    memory: tuple[tuple[float, float], ...] = ()  # of the server over the run: s, MB

    @property
    def broken(self) -> bool:
        """Whether no session at all was whole."""
        return bool(self.scores) and all(score.error for score in self.scores)


@dataclass(slots=True)
class Measurement:
    """One level while it runs. `progress` is called with the seconds that were played, tails included."""

    sessions: int
    target: Target
    load: LoadPlan
    meter: Meter
    progress: Callable[[float], None] = lambda seconds: None
    _played: list[Playback] = field(default_factory=list)
    _samples: list[Sample] = field(default_factory=list)

    def run(self) -> Level:
        """Measure; Ctrl-C ends it early and keeps what was played to its end."""
        interrupted = False
        mark, began = self.meter.mark(), time.monotonic()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                player = Player(self.target, began, tail_s=self.load.tail_s, progress=self.progress)
                runner.run(self._all(player))
        except KeyboardInterrupt:
            interrupted = True
        return self._level(mark.cost(time.monotonic() - began), interrupted)

    async def _all(self, player: Player) -> None:
        watching = asyncio.create_task(self.meter.watch())
        try:
            async with asyncio.TaskGroup() as group:
                for session in range(self.sessions):
                    group.create_task(self._session(session, player))
        finally:
            watching.cancel()

    async def _session(self, session: int, player: Player) -> None:
        await asyncio.sleep(session * STAGGER_S)
        for recording in self.load.playlist(session):
            played, samples = await player.play(session, recording)
            self._played.append(played)
            self._samples += samples

    def _level(self, cost: Cost, interrupted: bool) -> Level:
        """Scored only now, so that the client was free for its sessions."""
        scores = tuple(score(played) for played in self._played)
        return Level(
            self.sessions,
            interrupted,
            summarize(self.sessions, scores, cost),
            tuple(budget_rows(self._samples)),
            tuple(errors_of(scores)),
            scores,
            tuple(thinned(cost.memory_over_time)),
        )
