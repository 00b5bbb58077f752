"""Runs one number of sessions at once, and returns everything that was measured on them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from bench.load.load_plan import STAGGER_S, LoadPlan
from bench.load.playback import Playback
from bench.load.player import PlaybackTarget, Player
from bench.measure.figures import Figures, distinct_errors, downsample, summarize
from bench.measure.process_usage import ProcessMeter, ProcessUsage
from bench.measure.score import Score, score_playback
from dalston_realtime.client.results.latency import BudgetRow, budget_rows
from dalston_realtime.client.results.transcript import Sample


@dataclass(frozen=True, slots=True)
class LoadLevel:
    """All that was measured at one number of sessions; `memory` is the server's over the run, in s and MB."""

    sessions: int
    interrupted: bool
    figures: Figures
    budget: tuple[BudgetRow, ...]
    errors: tuple[str, ...]
    scores: tuple[Score, ...]
    memory: tuple[tuple[float, float], ...] = ()

    @property
    def broken(self) -> bool:
        """Whether every playback had an error."""
        return bool(self.scores) and all(score.error for score in self.scores)


@dataclass(slots=True)
class LevelMeasurement:
    """Measures one level; `progress` is called with the seconds of audio and silence that were played."""

    sessions: int
    target: PlaybackTarget
    load: LoadPlan
    meter: ProcessMeter
    progress: Callable[[float], None] = lambda seconds: None
    _playbacks: list[Playback] = field(default_factory=list)
    _samples: list[Sample] = field(default_factory=list)

    def run(self) -> LoadLevel:
        """Measure; Ctrl-C ends it early and keeps the recordings that were played to their end."""
        interrupted = False
        baseline, began = self.meter.baseline(), time.monotonic()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                player = Player(self.target, began, tail_s=self.load.tail_s, progress=self.progress)
                runner.run(self._run_sessions(player))
        except KeyboardInterrupt:
            interrupted = True
        return self._level(baseline.usage_over(time.monotonic() - began), interrupted)

    async def _run_sessions(self, player: Player) -> None:
        sampling = asyncio.create_task(self.meter.run())
        try:
            async with asyncio.TaskGroup() as group:
                for session in range(self.sessions):
                    group.create_task(self._run_session(session, player))
        finally:
            sampling.cancel()

    async def _run_session(self, session: int, player: Player) -> None:
        await asyncio.sleep(session * STAGGER_S)
        for recording in self.load.playlist(session):
            playback, samples = await player.play(session, recording)
            self._playbacks.append(playback)
            self._samples += samples

    def _level(self, usage: ProcessUsage, interrupted: bool) -> LoadLevel:
        """Score the playbacks; only after the run, since scoring would delay the client's chunks."""
        scores = tuple(map(score_playback, self._playbacks))
        return LoadLevel(
            self.sessions,
            interrupted,
            summarize(self.sessions, scores, usage),
            tuple(budget_rows(self._samples)),
            tuple(distinct_errors(scores)),
            scores,
            tuple(downsample(usage.memory_over_time)),
        )
