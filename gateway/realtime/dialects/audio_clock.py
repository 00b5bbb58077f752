"""Counts the audio of a client, and moves the times of events onto the clock of its connection."""

from msgspec.structs import replace

from dalston_realtime.protocol.audio import ENCODED_BYTES
from dalston_realtime.protocol.events import Event, Final, Partial, SessionEnd, SpeechEnd, SpeechStart, Word
from dalston_realtime.protocol.parameters import SessionConfig


def audio_seconds(size: int, config: SessionConfig) -> float:
    """The seconds in `size` bytes of a client's audio."""
    return size / (ENCODED_BYTES[config.encoding] * config.channels * config.sample_rate)


def shift_event(event: Event, offset: float) -> Event:
    """The event of a session that began `offset` seconds into the client's audio."""
    if not offset:
        return event
    match event:
        case SpeechStart() | SpeechEnd():
            return replace(event, timestamp=round(event.timestamp + offset, 3))
        case Partial():
            return replace(event, start=_later(event.start, offset), end=_later(event.end, offset))
        case Final():
            words = event.words and tuple(_shift_word(word, offset) for word in event.words)
            start, end = _later(event.start, offset), _later(event.end, offset)
            return replace(event, start=start, end=end, words=words)
        case SessionEnd():
            return replace(event, audio_duration=_later(event.audio_duration, offset))
    return event


def _shift_word(word: Word, offset: float) -> Word:
    return replace(word, start=_later(word.start, offset), end=_later(word.end, offset))


def _later(time: float | None, offset: float) -> float | None:
    return None if time is None else round(time + offset, 3)
