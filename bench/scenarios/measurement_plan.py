"""Measures numbers of sessions on one server, one after the other, with a progress bar."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.load.load_plan import LoadPlan
from bench.load.playback import PlaybackProgress
from bench.load.player import PlaybackTarget, Player
from bench.measure.load_level import LevelMeasurement, LoadLevel
from bench.measure.process_usage import ProcessMeter
from bench.servers.measured_server import MeasuredServer
from dalston_realtime.cli.display.phrases import counted

Advance: TypeAlias = Callable[[float], None]
"""A function that moves the progress bar on by so many seconds."""


@dataclass(frozen=True, slots=True)
class MeasurementPlan:
    """What to play to which server, and the root of its processes if known."""

    target: PlaybackTarget
    load: LoadPlan
    pid: int | None

    @classmethod
    def for_server(cls, server: MeasuredServer, target: PlaybackTarget, load: LoadPlan) -> "MeasurementPlan":
        """The plan for a server that has started."""
        return cls(replace(target, url=server.url), load, server.pid)

    def measure(self, sessions: int, advance: Advance = lambda seconds: None) -> LoadLevel:
        """Measure one number of sessions."""
        return LevelMeasurement(sessions, self.target, self.load, ProcessMeter(self.pid), advance).run()

    def warm_up(self) -> None:
        """Play one short recording that does not count, so that nothing is measured that happens only once.

        Raises:
            ClientError: there is no server, or it refuses the recording.
        """
        shortest = min(self.load.recordings, key=lambda recording: recording.seconds)
        player = Player(self.target, time.monotonic(), tail_s=self.load.tail_s)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(player.run(shortest, PlaybackProgress(time.monotonic())))


def measure_levels(plan: MeasurementPlan, sessions: Sequence[int], console: Console) -> Iterator[LoadLevel]:
    """Measure each number of sessions; ends after Ctrl-C, and where every playback had an error."""
    plan.warm_up()
    for count in sessions:
        with progress_bar(console, counted(count, "session"), plan.load, count) as advance:
            level = plan.measure(count, advance)
        yield level
        if level.interrupted or level.broken:
            return


def measure_on_server(
    server: MeasuredServer,
    target: PlaybackTarget,
    load: LoadPlan,
    sessions: int,
    label: str,
    console: Console,
) -> LoadLevel:
    """Warm a server up, and measure one number of sessions on it."""
    plan = MeasurementPlan.for_server(server, target, load)
    plan.warm_up()
    with progress_bar(console, label, load, sessions) as advance:
        return plan.measure(sessions, advance)


@contextmanager
def progress_bar(console: Console, label: str, load: LoadPlan, sessions: int) -> Iterator[Advance]:
    """Show how much of the audio of all sessions has been played; nothing where there is no terminal."""
    total = sum(r.seconds + load.tail_s for i in range(sessions) for r in load.playlist(i))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=total)
        yield lambda seconds: bars.advance(task, seconds)
