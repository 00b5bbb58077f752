"""Shows a session on a live terminal: finals scroll up, and the partial changes in place."""

from typing import Final as Constant

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dalston_realtime.cli.display.phrases import format_time, note_on
from dalston_realtime.client.connection.received_event import Event, ReceivedEvent
from dalston_realtime.client.errors import one_line
from dalston_realtime.protocol.events import Final, Partial, SessionBegin, SpeechEnd, SpeechStart
from dalston_realtime.subtitles.formats import with_channel

REFRESH_RATE: Constant = 12  # Redraws a second; more look no smoother.
TIME_WIDTH: Constant = 9  # Characters, for `1:02:03.4`.


class TerminalView:
    """Shows one session after the other on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._footer = Footer()
        self._live: Live | None = None

    def start(self, name: str, duration: float | None) -> None:
        """Show the name and wait for events."""
        if self._live is not None:
            self._console.print()
        self._footer = Footer(duration)
        self._console.print(Text(one_line(name), style="bold"))
        self._live = Live(
            self._footer, console=self._console, refresh_per_second=REFRESH_RATE, transient=True
        )
        self._live.start()

    def show(self, received: ReceivedEvent) -> None:
        """Print a final above the partial, or change what is in place."""
        event = received.event
        if isinstance(event, Final):
            self._footer.partials.pop(event.channel, None)
            if event.text.strip():
                self._console.print(timed_row(format_time(event.start), Text(with_channel(event))))
        elif isinstance(event, SessionBegin):
            self._console.print(Text(_about(event), style="dim"), timed_row(), sep="\n")
        self._footer.update(event)
        if (text := note_on(event)) is not None:
            self._console.print(timed_row("", Text(text, style="yellow")))

    def show_progress(self, seconds: float) -> None:
        """Move the time of the footer."""
        self._footer.position = seconds

    def close(self) -> None:
        """Leave the finals standing and take the rest away."""
        if self._live is not None:
            self._live.stop()
        self._console.print()

    def print_note(self, text: str) -> None:
        """Print it dimmed."""
        self._console.print(Text(text, style="dim"))


class Footer:
    """Draws what changes in place: the partial, whether somebody speaks, and how much audio was sent."""

    def __init__(self, duration: float | None = None) -> None:
        self.duration = duration
        self.position = 0.0
        self.partials: dict[int | None, Text] = {}  # Of each channel.
        self._speech = False

    def update(self, event: Event) -> None:
        """Keep what the footer shows of an event."""
        if isinstance(event, Partial):
            self.partials[event.channel] = partial_text(event)
        elif isinstance(event, SpeechStart | SpeechEnd):
            self._speech = isinstance(event, SpeechStart)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines for the terminal as it is now."""
        for _, partial in sorted(self.partials.items(), key=lambda item: item[0] or 0):
            yield timed_row("", partial)
        dot = Text("●", style="green") if self._speech else Text("○", style="dim")
        whole = "" if self.duration is None else f" of {format_time(self.duration)}"
        yield timed_row(format_time(self.position), dot + Text(whole, style="dim"))


def partial_text(partial: Partial) -> Text:
    """The stable part as it is, the part that may still change dim."""
    shown = "".join(c if c.isprintable() else " " for c in partial.text)
    stable = partial.stable or 0
    channel = "" if partial.channel is None else f"Channel {partial.channel + 1}: "
    return Text(channel + shown[:stable]).append(shown[stable:], style="dim")


def timed_row(time: str = "", text: Text | None = None) -> Table:
    """A time and a text beside each other; a long text goes on under itself."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=TIME_WIDTH, justify="right", style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row(time, text or Text())
    return grid


def _about(begin: SessionBegin) -> str:
    known = (begin.model, begin.language)
    return " · ".join(one_line(part, 80) for part in known if part)
