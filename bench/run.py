"""Levels one after the other against one server, with progress; what is measured is kept at once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from bench.cost import Meter
from bench.level import Level, Load, Measurement
from bench.play import Target
from bench.server import Server
from client.errors import ClientError

Advance = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play to the server, and where its processes are."""

    target: Target
    load: Load
    pid: int | None

    @classmethod
    def for_server(cls, server: Server, target: Target, load: Load) -> "Plan":
        """The plan for a server that has started."""
        return cls(replace(target, url=server.url), load, server.pid)

    def measure(self, sessions: int, advance: Advance = lambda seconds: None) -> Level:
        """One level."""
        return Measurement(sessions, self.target, self.load, Meter(self.pid), advance).run()

    def warm_up(self) -> None:
        """One short recording that does not count, so that nothing is measured that happens only once.

        Raises:
            ClientError: the server does not take it.
            KeyboardInterrupt: Ctrl-C.
        """
        shortest = min(self.load.recordings, key=lambda recording: recording.seconds)
        load = replace(self.load, recordings=[shortest], seconds=0.1)
        level = Measurement(1, self.target, load, Meter(None)).run()
        if level.interrupted:
            raise KeyboardInterrupt
        if level.figures.failed and level.scores[0].text == "":
            raise ClientError(f"a first recording failed: {level.scores[0].error}")


def levels(plan: Plan, sessions: Sequence[int], console: Console) -> Iterator[Level]:
    """Each number of sessions in turn; the one that Ctrl-C cut short is the last."""
    plan.warm_up()
    for count in sessions:
        with progress(console, f"{count} session{'s' * (count > 1)}", plan.load, count) as advance:
            level = plan.measure(count, advance)
        yield level
        if level.interrupted:
            return


@contextmanager
def progress(console: Console, what: str, load: Load, sessions: int) -> Iterator[Advance]:
    """A bar of the audio played by all sessions, gone when it is done."""
    total = sum(recording.seconds for i in range(sessions) for recording in load.playlist(i))
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda seconds: bars.advance(task, seconds)
