"""Collects the transcript of a session, and the timing of its results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from typing import Final as Constant

from dalston_realtime.client.connection.received_event import Event, ReceivedEvent
from dalston_realtime.protocol.events import Final, Partial, SessionBegin, SessionEnd

ENVELOPE: Constant = ("type", "seq", "timing")  # Fields that belong to the connection, not to the transcript.


@dataclass(slots=True)
class SessionTranscript:
    """What one session said, as far as it is final."""

    begin: SessionBegin | None = None
    finals: list[Final] = field(default_factory=list)
    end: SessionEnd | None = None
    finals_as_sent: list[Mapping[str, Any]] = field(default_factory=list)

    def append(self, received: ReceivedEvent) -> None:
        """Keep an event that belongs to the transcript."""
        event = received.event
        if isinstance(event, SessionBegin):
            self.begin = event
        elif isinstance(event, SessionEnd):
            self.end = event
        elif isinstance(event, Final) and event.text.strip():
            self.finals.append(event)
            self.finals_as_sent.append(received.fields)

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
    """The transcript as a JSON object; what is not known is left out.

    Finals are as the server sent them, fields that this version does not know among them.
    """
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
        "finals": [_without_envelope(final) for final in transcript.finals_as_sent],
    }


def _without_envelope(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ENVELOPE}
