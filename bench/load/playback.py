"""Keeps what a client saw of one recording: the text on its display over time, and what went wrong."""

from dataclasses import dataclass, field

from bench.recordings.recording import Recording
from dalston_realtime.client.events import Event, Final, Partial, SessionEnd
from dalston_realtime.client.transcript import Sample, timing_sample


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on the screen from `at` (s since the first sample) on."""

    at: float
    final: str
    partial: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.final} {self.partial}".strip()


@dataclass(frozen=True, slots=True)
class Playback:
    """One recording that was played, and all that came back. `began` is in seconds since the run began.

    `client_late` is how late the latest chunk left: above some ms it is the client that was measured.
    """

    session: int
    recording: Recording
    began: float
    shown: tuple[Shown, ...]
    client_late: float
    connected: float  # seconds
    error: str | None = None
    finals: tuple[str, ...] = ()


@dataclass(slots=True)
class DisplayedText:
    """What a client that shows finals and partials has on its screen, over time."""

    shown: list[Shown] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    finals: dict[int | None, str] = field(default_factory=dict)

    def take(self, event: Event, at: float, round_trip: float | None) -> None:
        """Show an event that came `at` seconds after the first sample."""
        if isinstance(event, Final):
            self.finals[event.utterance] = event.text
        if isinstance(event, Final | Partial | SessionEnd):
            partial = event.text if isinstance(event, Partial) else ""
            text = " ".join(each.strip() for each in self.finals.values() if each.strip())
            self._show(Shown(at, text, partial.strip()))
        if (sample := timing_sample(event, round_trip)) is not None:
            self.samples.append(sample)

    def _show(self, new: Shown) -> None:
        last = self.shown[-1] if self.shown else None
        if last is None or (last.final, last.partial) != (new.final, new.partial):
            self.shown.append(new)


@dataclass(slots=True)
class Playlist:
    """One recording on its way: when its first sample was there, and how late the latest chunk left."""

    start: float
    late: float = 0.0
    screen: DisplayedText = field(default_factory=DisplayedText)
