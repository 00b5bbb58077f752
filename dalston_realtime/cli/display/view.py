"""Shows the events of a session as JSON lines, as plain lines, or on a live terminal."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TextIO

import msgspec
from rich.console import Console

from dalston_realtime.cli.display.phrases import format_time, note_on
from dalston_realtime.cli.display.terminal import TerminalView
from dalston_realtime.client.connection.received_event import ReceivedEvent
from dalston_realtime.client.errors import OutputError, one_line
from dalston_realtime.protocol.events import Final
from dalston_realtime.subtitles.formats import with_channel


class TranscriptView(Protocol):
    """Shows one session after the other."""

    def start(self, name: str, duration: float | None) -> None:
        """A session over the audio `name` of `duration` seconds starts."""
        ...

    def show(self, received: ReceivedEvent) -> None:
        """Show an event that arrived."""
        ...

    def show_progress(self, seconds: float) -> None:
        """Show that so much audio was sent."""
        ...

    def close(self) -> None:
        """The session is over."""
        ...

    def print_note(self, text: str) -> None:
        """Print something for the person, not for a program."""
        ...


class JsonView:
    """Prints one JSON object per event and line: the server's own, with the `file` it is about."""

    def __init__(self) -> None:
        self._name = ""

    def start(self, name: str, duration: float | None) -> None:
        """Remember what the events are about, as far as JSON can say its name."""
        self._name = name.encode(errors="replace").decode()

    def show(self, received: ReceivedEvent) -> None:
        """Print all that the server sent, fields that this version does not know among it."""
        line = msgspec.json.encode({"file": self._name, **received.fields})
        write_line(line.decode(), sys.stdout)

    def show_progress(self, seconds: float) -> None:
        """Print nothing: it is no event."""

    def close(self) -> None:
        """Nothing is open."""

    def print_note(self, text: str) -> None:
        """Print nothing: notes are not for programs."""


class PlainView:
    """Prints finals as lines with their start on stdout, all else on stderr: fit for a pipe."""

    def start(self, name: str, duration: float | None) -> None:
        """Say which audio it is."""
        self.print_note(one_line(name))

    def show(self, received: ReceivedEvent) -> None:
        """Print a final, and what else the person should know."""
        event = received.event
        if isinstance(event, Final) and event.text.strip():
            write_line(f"{format_time(event.start):>9}  {with_channel(event)}", sys.stdout)
        elif (text := note_on(event)) is not None:
            self.print_note(text)

    def show_progress(self, seconds: float) -> None:
        """Print nothing: lines can't be taken back."""

    def close(self) -> None:
        """Nothing is open."""

    def print_note(self, text: str) -> None:
        """Print it on stderr."""
        write_line(text, sys.stderr)


def write_line(line: str, stream: TextIO) -> None:
    """Write a line at once and whole, so that others on the terminal do not get into it.

    Raises:
        BrokenPipeError: nobody reads any more, as behind `head`.
        OutputError: it can't be written, as on a full disk; what comes after it is thrown away.
    """
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output(stream)
        raise OutputError(f"the output can't be written ({error.strerror})") from None


def discard_output(stream: TextIO) -> None:
    """Have what the stream still holds go nowhere, or the end of the program would fail on it."""
    with suppress(OSError), Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def make_view(json: bool) -> TranscriptView:
    """The view for this stdout: JSON if asked for, live on a terminal, plain lines in a pipe."""
    if json:
        return JsonView()
    console = Console(highlight=False)
    return TerminalView(console) if console.is_terminal else PlainView()
