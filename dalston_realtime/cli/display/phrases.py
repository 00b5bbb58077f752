"""Says events and figures in words, for a person."""

from dalston_realtime.client.connection.received_event import Event
from dalston_realtime.client.errors import one_line
from dalston_realtime.client.results.transcript import SessionTranscript
from dalston_realtime.client.session import StreamOptions
from dalston_realtime.protocol.events import (
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionQueued,
    SessionResumed,
)


def format_time(seconds: float | None) -> str:
    """`0:04.2` or `1:02:03.4`; blank where the time is not known."""
    if seconds is None:
        return ""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def note_on(event: Event) -> str | None:
    """What a person should know about an event that is no part of the transcript."""
    if isinstance(event, ServerWarning):
        return f"warning: {one_line(event.message)} ({one_line(event.code, 40)})"
    if isinstance(event, ServerError) and event.recoverable:
        return f"error: {one_line(event.message)} ({one_line(event.code, 40)})"
    if isinstance(event, SessionBegin) and event.degraded:
        return f"warning: no slot with the wanted model; {one_line(event.model)} answers instead"
    if isinstance(event, SessionResumed):
        return "the connection was lost and is back; nothing is missing"
    if isinstance(event, SessionQueued):
        wait = "" if event.expected_wait is None else f", about {event.expected_wait:.0f} s"
        return f"waiting for a free slot (position {event.position}{wait})"
    return None


def notes_on_ignored(begin: SessionBegin, options: StreamOptions) -> list[str]:
    """A note for each option that was asked for and that the model says it does not have."""
    features = begin.features or {}
    wanted = {
        "vocabulary": "listen for a vocabulary",
        "word_timestamps": "give times of words",
    }
    return [
        f"warning: {one_line(begin.model)} can't {what}"
        for name, what in wanted.items()
        if options.get(name) and features.get(name) is False
    ]


def summary(transcript: SessionTranscript) -> str:
    """`44.1 s of audio, 38.2 s of speech, 12 utterances`, as far as it is known."""
    end, count = transcript.end, len(transcript.finals)
    parts = []
    if end is not None and end.audio_duration is not None:
        parts.append(f"{end.audio_duration:.1f} s of audio")
    if end is not None and end.speech_duration is not None:
        parts.append(f"{end.speech_duration:.1f} s of speech")
    parts.append(counted(count, "utterance") if count else "nothing was said")
    if end is None:
        parts.append("incomplete")
    return ", ".join(parts)


def counted(count: int, noun: str) -> str:
    """`1 partial`, `2 partials`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
