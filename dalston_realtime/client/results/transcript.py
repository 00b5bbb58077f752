"""Events of one session in, its transcript out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dalston_realtime.client.events import Event, Final, Partial, SessionBegin, SessionEnd


@dataclass(slots=True)
class SessionTranscript:
    """What one session said, as far as it is final."""

    begin: SessionBegin | None = None
    finals: list[Final] = field(default_factory=list)
    end: SessionEnd | None = None

    def add(self, event: Event) -> None:
        """Keep what belongs to the transcript."""
        if isinstance(event, SessionBegin):
            self.begin = event
        elif isinstance(event, SessionEnd):
            self.end = event
        elif isinstance(event, Final) and event.text.strip():
            self.finals.append(event)

    @property
    def complete(self) -> bool:
        """Whether the session ended as it should."""
        return self.end is not None

    @property
    def text(self) -> str:
        """The finals joined by single spaces."""
        return " ".join(final.text.strip() for final in self.finals)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one result cost: its stages in ms, and the client's round trip in seconds."""

    is_final: bool
    timing: Mapping[str, float]
    round_trip: float | None


def timing_sample(event: Event, round_trip: float | None) -> Sample | None:
    """The sample in a result that carries timing, or None."""
    if isinstance(event, Partial | Final) and event.timing is not None:
        return Sample(isinstance(event, Final), event.timing, round_trip)
    return None


def as_json(transcript: SessionTranscript) -> dict[str, Any]:
    """The transcript as a JSON object; what is not known is left out."""
    begin, end = transcript.begin, transcript.end
    known = {
        "session_id": begin and begin.session_id,
        "model": begin and begin.model,
        "language": begin and begin.language,
        "audio_duration": end and end.audio_duration,
        "speech_duration": end and end.speech_duration,
    }
    return {
        "transcript": transcript.text,
        "complete": transcript.complete,
        **{name: value for name, value in known.items() if value is not None},
        "finals": [_without_envelope(final.raw) for final in transcript.finals],
    }


def _without_envelope(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in ("type", "seq", "timing")}
