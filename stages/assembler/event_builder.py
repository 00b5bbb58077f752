"""Builds the protocol's events of finals and of a session's end, with times in seconds."""

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.events import CLIENT_END, Final, Segment, SessionEnd, Word
from stages.assembler.channel_group import ChannelGroup
from stages.assembler.transcript import FinalText
from stages.messages import Hypothesis, TimedWord


def seconds(samples: int) -> float:
    """A sample index as the protocol's seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)


def build_final(number: int, text: str, said: Hypothesis, repeated: int, channel: int | None) -> Final:
    """The final with a number and a text; what is not known of it is left out.

    The hypothesis begins with words that are `repeated` from the utterance before.
    """
    words = _timed_words(said, repeated, text)
    return Final(
        utterance=number,
        text=text,
        start=seconds(said.start),
        end=seconds(said.end),
        language=said.language,
        confidence=said.confidence,
        flush_id=said.flush_id,
        words=tuple(map(_build_word, words)) or None,
        channel=channel,
    )


def empty_final(number: int, flush_id: str, channel: int | None) -> Final:
    """The answer to a flush where nothing was said."""
    return Final(utterance=number, text="", flush_id=flush_id, channel=channel)


def build_session_end(group: ChannelGroup, received: int) -> SessionEnd:
    """The end of a session of which so many samples were received."""
    segments = tuple(_build_segment(final, channel) for channel, final in group.finals())
    return SessionEnd(
        session_id=group.channels[0].opened.session_id,
        transcript=" ".join(segment.text for segment in segments),
        segments=segments,
        audio_duration=seconds(received),
        speech_duration=seconds(group.speech),
        reason=CLIENT_END,
    )


def _timed_words(said: Hypothesis, repeated: int, text: str) -> tuple[TimedWord, ...]:
    """The words of a final's `text` with their times; else the engine's own words.

    Where the numbers of words differ, they can't be matched."""
    matched = len(said.words) == len(said.text.split())
    timed, words = said.words[repeated if matched else 0 :], text.split()
    if len(timed) != len(words):
        return timed
    return tuple((word, start, end, sure) for word, (_, start, end, sure) in zip(words, timed, strict=True))


def _build_word(timed: TimedWord) -> Word:
    word, start, end, confidence = timed
    return Word(word=word, start=seconds(start), end=seconds(end), confidence=confidence)


def _build_segment(final: FinalText, channel: int | None) -> Segment:
    return Segment(
        utterance=final.utterance,
        text=final.text,
        start=seconds(final.start),
        end=seconds(final.end),
        channel=channel,
    )
