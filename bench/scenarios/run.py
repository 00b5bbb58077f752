"""Levels one after the other against one server, with progress; what is measured is kept at once."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.load.playback import Player, Playlist, Target
from bench.measure.level import Level, LoadPlan, Measurement
from bench.measure.process_usage import Meter
from bench.servers.server import MeasuredServer
from dalston_realtime.cli.display.phrases import counted

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play to the server, and where its processes are."""

    target: Target
    load: LoadPlan
    pid: int | None

    @classmethod
    def for_server(cls, server: MeasuredServer, target: Target, load: LoadPlan) -> "Plan":
        """The plan for a server that has started."""
        return cls(replace(target, url=server.url), load, server.pid)

    def measure(self, sessions: int, advance: Advance = lambda seconds: None) -> Level:
        """One level."""
        return Measurement(sessions, self.target, self.load, Meter(self.pid), advance).run()

    def warm_up(self) -> None:
        """One short recording that does not count, so that nothing is measured that happens only once.

        Raises:
            ClientError: there is no server, or it does not take the recording.
        """
        shortest = min(self.load.recordings, key=lambda recording: recording.seconds)
        player = Player(self.target, time.monotonic(), tail_s=self.load.tail_s)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(player.run(shortest, Playlist(time.monotonic())))


def levels(plan: Plan, sessions: Sequence[int], console: Console) -> Iterator[Level]:
    """Each number of sessions in turn; the last is one that Ctrl-C cut short, or in which none was whole."""
    plan.warm_up()
    for count in sessions:
        with progress(console, counted(count, "session"), plan.load, count) as advance:
            level = plan.measure(count, advance)
        yield level
        if level.interrupted or level.broken:
            return


@contextmanager
def progress(console: Console, what: str, load: LoadPlan, sessions: int) -> Iterator[Advance]:
    """A bar of what was played by all sessions, gone when it is done; none where nobody sees it."""
    total = sum(r.seconds + load.tail_s for i in range(sessions) for r in load.playlist(i))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=total)
        yield lambda seconds: bars.advance(task, seconds)
