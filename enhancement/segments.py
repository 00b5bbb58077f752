"""Divides what was heard into segments, each of one speaker; the same for all stages behind diarize.

Where an engine has no times of words, they are estimated from where somebody speaks, to find who says them;
no estimate is shown to anybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dalston_realtime.protocol.jobs import SpokenWord
from enhancement.artifacts import Diarized, Heard, HeardPiece, Named, SpeakerTurn

LONG_PAUSE: Final = 0.8  # Seconds between two words of a speaker, from which on they are two segments.
LONGEST: Final = 30.0  # Seconds of a segment that is joined of several pieces.
NEAR: Final = 1.0  # Seconds from a word to a turn, within which it is that speaker's: turns end early.
OVERLAP: Final = 0.3  # Seconds in which somebody else speaks, from which a segment says so.
ENDS: Final = (".", "!", "?", "。", "！", "？")
SLACK: Final = 1.5  # Seconds to the end of a sentence, within which an estimated change of speakers is there.


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSegment:
    """What one speaker says without a long pause; `id` counts from 1, `speaker` may be unknown."""

    id: int
    start: float
    end: float
    text: str
    words: tuple[SpokenWord, ...] = ()
    speaker: str | None = None
    channel: int | None = None
    overlap: bool = False
    language: str | None = None


@dataclass(frozen=True, slots=True)
class _TimedWord:
    """A word with its time, which may be an estimate, and what the engine knows of it."""

    text: str
    start: float
    end: float
    known: SpokenWord | None
    speaker: str | None = None


def make_segments(
    heard: Heard, diarized: Diarized | None, named: Named | None = None, *, separate: bool = False
) -> tuple[DraftSegment, ...]:
    """The segments by their begin; labels of speakers are those of `named` where it has some."""
    labels = {} if named is None else named.labels
    found = [
        segment for piece in heard.pieces for segment in _of_piece(piece, diarized, labels, separate=separate)
    ]
    joined = _join(sorted(found, key=lambda segment: (segment.start, segment.channel or 0)))
    turns = diarized.turns if diarized is not None else ()
    return tuple(
        replace(segment, id=number, overlap=_overlaps(segment, turns, labels))
        for number, segment in enumerate(joined, start=1)
    )


def _of_piece(
    piece: HeardPiece, diarized: Diarized | None, labels: Mapping[str, str], *, separate: bool
) -> Iterator[DraftSegment]:
    turns = _turns_near(piece, diarized)
    words = [replace(word, speaker=_speaker(word, turns)) for word in _timed_words(piece)]
    has_times = bool(piece.words) and piece.words[0].start is not None
    if not has_times:
        words = _changed_at_sentences(words)
    groups = list(_groups(words, has_times=has_times))
    for at, group in enumerate(groups):
        known = [word.known for word in group if word.known is not None]
        speaker = group[0].speaker
        label = None if speaker is None else labels.get(speaker, speaker)
        yield DraftSegment(
            id=0,
            start=piece.start if at == 0 and not has_times else round(group[0].start, 3),
            end=piece.end if at == len(groups) - 1 and not has_times else round(group[-1].end, 3),
            text=" ".join(word.text for word in group),
            words=tuple(known) if label is None else tuple(_spoken_by(word, label) for word in known),
            speaker=label,
            channel=piece.channel if separate else None,
            language=piece.language,
        )


def _spoken_by(word: SpokenWord, speaker: str) -> SpokenWord:
    return SpokenWord(
        word=word.word, start=word.start, end=word.end, confidence=word.confidence, speaker=speaker
    )


def _turns_near(piece: HeardPiece, diarized: Diarized | None) -> list[SpeakerTurn]:
    turns = () if diarized is None else diarized.turns
    return [
        turn
        for turn in turns
        if turn.channel in (None, piece.channel)
        and turn.start < piece.end + NEAR
        and turn.end > piece.start - NEAR
    ]


def _timed_words(piece: HeardPiece) -> list[_TimedWord]:
    """The words of a piece; times that are not known are spread over its speech by their letters."""
    if piece.words and all(word.start is not None and word.end is not None for word in piece.words):
        return [_TimedWord(w.word, w.start or 0.0, w.end or 0.0, w) for w in piece.words]
    words = piece.text.split()
    known = piece.words if len(piece.words) == len(words) else (None,) * len(words)
    speech = piece.speech or ((piece.start, piece.end),)
    total = sum(len(word) + 1 for word in words)
    at, found = 0, []
    for word, told in zip(words, known, strict=True):
        start, at = at, at + len(word) + 1
        found.append(_TimedWord(word, _time(start / total, speech), _time(at / total, speech), told))
    return found


def _time(share: float, speech: Sequence[tuple[float, float]]) -> float:
    """When so much of the speech is over."""
    left = share * sum(end - start for start, end in speech)
    for start, end in speech:
        if left <= end - start:
            return start + left
        left -= end - start
    return speech[-1][1]


def _speaker(word: _TimedWord, turns: Sequence[SpeakerTurn]) -> str | None:
    """Who speaks most of the time of a word, or next to it."""

    def score(turn: SpeakerTurn) -> float:
        return min(turn.end, word.end) - max(turn.start, word.start)  # Below 0: the distance.

    best = max(turns, key=score, default=None)
    return best.speaker if best is not None and score(best) > -NEAR else None


def _changed_at_sentences(words: Sequence[_TimedWord]) -> list[_TimedWord]:
    """Words whose times are estimates: speakers change at the end of a sentence, where one is near."""
    found = list(words)
    for at in range(1, len(words)):
        before, after = words[at - 1], words[at]
        if before.speaker == after.speaker:
            continue
        ends = [
            n
            for n in range(1, len(words))
            if words[n - 1].text.endswith(ENDS) and abs(words[n].start - after.start) <= SLACK
        ]
        if ends:
            nearest = min(ends, key=lambda n: abs(words[n].start - after.start))
            for n in range(min(at, nearest), max(at, nearest)):
                found[n] = replace(found[n], speaker=before.speaker if nearest > at else after.speaker)
    return found


def _groups(words: Sequence[_TimedWord], *, has_times: bool) -> Iterator[list[_TimedWord]]:
    group: list[_TimedWord] = []
    for word in words:
        pause = has_times and group and word.start - group[-1].end >= LONG_PAUSE
        if group and (pause or word.speaker != group[-1].speaker):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _join(segments: Sequence[DraftSegment]) -> list[DraftSegment]:
    """Neighbours of one known speaker without a long pause are one segment."""
    joined: list[DraftSegment] = []
    for segment in segments:
        last = joined[-1] if joined else None
        if last is not None and _go_together(last, segment):
            joined[-1] = replace(
                last,
                end=segment.end,
                text=f"{last.text} {segment.text}",
                words=(*last.words, *segment.words) if last.words and segment.words else (),
            )
        else:
            joined.append(segment)
    return joined


def _go_together(before: DraftSegment, after: DraftSegment) -> bool:
    return (
        before.speaker is not None
        and (before.speaker, before.channel) == (after.speaker, after.channel)
        and after.start - before.end < LONG_PAUSE
        and after.end - before.start <= LONGEST
    )


def _overlaps(segment: DraftSegment, turns: Sequence[SpeakerTurn], labels: Mapping[str, str]) -> bool:
    """Whether somebody else speaks during a part of a segment."""
    seconds = sum(
        max(0.0, min(turn.end, segment.end) - max(turn.start, segment.start))
        for turn in turns
        if turn.overlap or labels.get(turn.speaker, turn.speaker) != segment.speaker
    )
    return segment.speaker is not None and seconds >= OVERLAP
