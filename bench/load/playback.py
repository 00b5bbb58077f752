"""Records what a client displays while a recording is played to a server."""

from dataclasses import dataclass, field

from bench.recordings.recording import Recording
from dalston_realtime.client import Event
from dalston_realtime.client.results.transcript import Sample, timing_sample
from dalston_realtime.protocol.events import Final, Partial, SessionEnd


@dataclass(frozen=True, slots=True)
class DisplayedText:
    """The text that a client displays from `at` on, in seconds since the first audio sample."""

    at: float
    final: str
    partial: str

    @property
    def text(self) -> str:
        """The final text and the partial behind it."""
        return f"{self.final} {self.partial}".strip()


@dataclass(slots=True)
class TextDisplay:
    """What a client that displays finals and partials shows over time."""

    history: list[DisplayedText] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    finals: dict[int | None, str] = field(default_factory=dict)

    def show_event(self, event: Event, at: float, round_trip: float | None) -> None:
        """Display an event that came `at` seconds after the first audio sample."""
        if isinstance(event, Final):
            self.finals[event.utterance] = event.text
        if isinstance(event, Final | Partial | SessionEnd):
            partial = event.text if isinstance(event, Partial) else ""
            text = " ".join(each.strip() for each in self.finals.values() if each.strip())
            self._show_text(DisplayedText(at, text, partial.strip()))
        if (sample := timing_sample(event, round_trip)) is not None:
            self.samples.append(sample)

    def _show_text(self, new: DisplayedText) -> None:
        last = self.history[-1] if self.history else None
        if last is None or (last.final, last.partial) != (new.final, new.partial):
            self.history.append(new)


@dataclass(slots=True)
class PlaybackProgress:
    """A playback that is going on; times in seconds of the player's clock.

    `start` is when the first audio sample was recorded, `late` by how much the latest chunk left too late.
    """

    start: float
    late: float = 0.0
    display: TextDisplay = field(default_factory=TextDisplay)


@dataclass(frozen=True, slots=True)
class Playback:
    """One recording that was played, and all that came back; times in seconds.

    `began` counts from the beginning of the run, `connected` is how long the session was open. `client_late`
    is by how much the latest chunk left too late: above some ms the client was measured and not the server.
    """

    session: int
    recording: Recording
    began: float
    displayed: tuple[DisplayedText, ...]
    client_late: float
    connected: float
    error: str | None = None
    finals: tuple[str, ...] = ()
