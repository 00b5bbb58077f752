"""Events of a session in; JSON lines, plain lines or a live terminal out."""

import sys
from typing import Protocol, TextIO

import orjson
from rich.console import Console

from dalston_realtime.cli.display.phrases import clock, remark
from dalston_realtime.cli.display.terminal import TerminalView
from dalston_realtime.client.errors import one_line
from dalston_realtime.client.events import Event, Final
from dalston_realtime.client.results.subtitles import plain


class TranscriptView(Protocol):
    """Shows one session after the other."""

    def begin(self, name: str, duration: float | None) -> None:
        """A session over the audio `name` of `duration` seconds starts."""
        ...

    def show(self, event: Event) -> None:
        """An event arrived."""
        ...

    def progress(self, seconds: float) -> None:
        """So much audio was sent."""
        ...

    def close(self) -> None:
        """The session is over."""
        ...

    def tell(self, text: str) -> None:
        """A remark for the person, not for a program."""
        ...


class JsonView:
    """One JSON object per event and line: the server's own, with the `file` it is about."""

    def __init__(self) -> None:
        self._name = ""

    def begin(self, name: str, duration: float | None) -> None:
        """Remember what the events are about."""
        self._name = name

    def show(self, event: Event) -> None:
        """Print it."""
        line = orjson.dumps({"file": self._name, **event.raw}).decode()
        emit(line, sys.stdout)

    def progress(self, seconds: float) -> None:
        """Nothing: it is no event."""

    def close(self) -> None:
        """Nothing to close."""

    def tell(self, text: str) -> None:
        """Nothing: remarks are not for programs."""


class PlainView:
    """Finals as lines with their start on stdout, all else on stderr: fit for a pipe."""

    def begin(self, name: str, duration: float | None) -> None:
        """Say which audio it is."""
        self.tell(one_line(name))

    def show(self, event: Event) -> None:
        """Print a final, and what else the person should know."""
        if isinstance(event, Final) and event.text.strip():
            emit(f"{clock(event.start):>9}  {plain(event.text)}", sys.stdout)
        elif (text := remark(event)) is not None:
            self.tell(text)

    def progress(self, seconds: float) -> None:
        """Nothing: lines can't be taken back."""

    def close(self) -> None:
        """Nothing to close."""

    def tell(self, text: str) -> None:
        """Print it."""
        emit(text, sys.stderr)


def emit(line: str, stream: TextIO) -> None:
    """Write a line at once and whole, so that others on the terminal do not get into it."""
    stream.write(line + "\n")
    stream.flush()


def make_view(json: bool) -> TranscriptView:
    """The view for this stdout: JSON if asked for, live on a terminal, plain lines in a pipe."""
    if json:
        return JsonView()
    console = Console(highlight=False)
    return TerminalView(console) if console.is_terminal else PlainView()
