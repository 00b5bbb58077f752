"""Counts the words that finals lose, double and invent, beside what was said and what the engine hears alone.

A word that is misheard is none of these: it stands in the place of a word that was said. So both what was
said and what the engine makes of each part alone are references, and a fault counts only where it is one
against both.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from bench.recordings.spoken_case import SaidPart, SpokenCase
from bench.recordings.spoken_kinds import DIGITS
from bench.recordings.words import normalized
from dalston_realtime.client import Event
from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import Partial

_FIGURE: Final = re.compile("[0-9]")
LONG_S: Final = 0.4  # Seconds of speech that no client may hear nothing about.
SHARE: Final = 0.3  # Share of a part or of a final that both have in common if they belong together.
ALIKE: Final = 0.75  # Likeness from which a final repeats the one before it.
MAX_WAYS: Final = 81  # Ways to hear several parts that are tried: three of each of four.
SLACK: Final = 1  # Words by which a passage that is misheard may be longer or shorter: it was, it's.
OTHER: Final = 0.5  # Likeness up to which it is not what was said.

HeardAlone: TypeAlias = Sequence[str]
"""What the engine hears in a part alone: some texts that are all right."""


@dataclass(frozen=True, slots=True)
class WordLosses:
    """Counts of words, and of finals and parts without words.

    `missing` are words that were said and not recognized, also where the engine alone does not hear them.
    `empty` are finals without text behind a partial with text, `silent` parts of 0.4 s and more of which no
    event with text says anything although the engine alone hears something.
    """

    said: int = 0
    alone: int = 0
    recognized: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    missing: int = 0
    empty: int = 0
    silent: int = 0

    def __add__(self, other: "WordLosses") -> "WordLosses":
        return WordLosses(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def faults(self) -> int:
        """Lost, doubled and invented words, and what was said without any word."""
        return self.lost + self.doubled + self.invented + self.empty + self.silent


@dataclass(slots=True)
class Passage:
    """Parts of a case and the finals of the same seconds, with all their words."""

    said: list[str] = field(default_factory=list)
    alone: list[list[str]] = field(default_factory=lambda: [[]])  # Each way to hear all parts of it.
    recognized: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)  # The word in which the sound stops.


def count_losses(case: SpokenCase, alone: Sequence[HeardAlone], events: Sequence[Event]) -> WordLosses:
    """Count the faults of the events of a case; `alone` is what the engine hears in each part."""
    counts, before = WordLosses(), list[str]()
    for passage in passages(case, alone, events):
        counts += _losses_of(passage, before)
        before = passage.recognized
    empty = (
        sum(1 for _ in _empty_finals(events))
        if any(words_of(text) for texts in alone for text in texts)
        else 0
    )
    return counts + WordLosses(empty=empty, silent=_silent_parts(case, alone, events))


def words_of(text: str, *, digits: bool = False) -> list[str]:
    """The words of a text without case and punctuation; `digits` spells numbers digit by digit."""
    words = normalized(text)
    return (_FIGURE.sub(lambda figure: f" {DIGITS[int(figure[0])]} ", words) if digits else words).split()


def passages(case: SpokenCase, alone: Sequence[HeardAlone], events: Sequence[Event]) -> Iterator[Passage]:
    """The parts of a case with their finals, in order: a final may hold several parts, and a part several."""
    finals = sorted(
        (e for e in events if isinstance(e, FinalEvent) and e.text), key=lambda e: e.utterance or 0
    )
    digits = any(word in DIGITS for part in case.parts for word in part.text.split())
    matched = [[number for number, part in enumerate(case.parts) if _belong(part, final)] for final in finals]
    groups = _groups(len(case.parts), matched)
    for final, parts in zip(finals, matched, strict=True):
        if not parts:
            yield Passage(recognized=words_of(final.text, digits=digits))
    for group in groups:
        passage = Passage()
        for number in group:
            part = case.parts[number]
            passage.said += words_of(part.text, digits=digits)
            ways = dict.fromkeys(tuple(words_of(text, digits=digits)) for text in alone[number])
            passage.alone = [[*words, *more] for words in passage.alone for more in ways][:MAX_WAYS]
            passage.broken_off = words_of(part.broken_off, digits=digits)
        for final, parts in zip(finals, matched, strict=True):
            if set(parts) & set(group):
                passage.recognized += words_of(final.text, digits=digits)
        yield passage


def _belong(part: SaidPart, event: FinalEvent | Partial) -> bool:
    """Whether a final or partial is of the seconds of a part."""
    start, end = part.start / SAMPLE_RATE, part.end / SAMPLE_RATE
    first, last = event.start or 0.0, event.end or 0.0
    common = min(end, last) - max(start, first)
    return common > SHARE * min(end - start, max(last - first, 0.01))


def _groups(parts: int, matched: Iterable[Sequence[int]]) -> list[list[int]]:
    """The parts in groups, so that no final belongs to two groups."""
    first = list(range(parts))
    for together in matched:
        for number in range(min(together, default=0), max(together, default=-1) + 1):
            first[number] = first[together[0]]
    return [[n for n in range(parts) if first[n] == head] for head in sorted(set(first))]


def _losses_of(passage: Passage, before: Sequence[str]) -> WordLosses:
    references = [passage.said, *passage.alone]
    if passage.broken_off:
        references.append([*passage.said, *passage.broken_off])
    recognized = passage.recognized
    changes = [surplus(reference, recognized) for reference in references]
    lost = min(lost for lost, _ in changes)
    added = min((added for _, added in changes), key=len)
    doubled = sum(1 for at in added if _is_double(recognized, at))
    invented = len(added) - doubled
    if _repeats_sentence(recognized, before, references):
        doubled, invented, lost = len(recognized), 0, max(lost, min(map(len, references)))
    return WordLosses(
        said=len(passage.said),
        alone=len(passage.alone[0]),
        recognized=len(recognized),
        lost=lost,
        doubled=doubled,
        invented=invented,
        missing=changes[0][0],
    )


def surplus(reference: Sequence[str], recognized: Sequence[str]) -> tuple[int, list[int]]:
    """How many words are too few, and the places of those that are too many, between words that are equal."""
    lost, added = 0, list[int]()
    for left, right, at in _unequal(reference, recognized):
        slack = SLACK if left and right else 0
        lost += max(0, left - right - slack)
        added += range(at + left + slack, at + right)
    return lost, added


def _unequal(reference: Sequence[str], recognized: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Between words that are equal: how many words the reference has, how many were recognized, and where."""
    if not reference or not recognized:
        yield len(reference), len(recognized), 0
        return
    import jiwer

    chunks = jiwer.process_words(" ".join(reference), " ".join(recognized)).alignments[0]
    a = b = 0
    for chunk in chunks:
        if chunk.type == "equal":
            yield chunk.ref_start_idx - a, chunk.hyp_start_idx - b, b
            a, b = chunk.ref_end_idx, chunk.hyp_end_idx
    yield len(reference) - a, len(recognized) - b, b


def _is_double(words: Sequence[str], at: int) -> bool:
    """Whether a word stands a second time among the four on either side."""
    return words[at] in (*words[max(0, at - 4) : at], *words[at + 1 : at + 5])


def _repeats_sentence(
    recognized: Sequence[str], before: Sequence[str], references: Iterable[Sequence[str]]
) -> bool:
    if len(recognized) < 2 or _likeness(recognized, before) < ALIKE:
        return False
    return all(_likeness(recognized, reference) < OTHER for reference in references)


def _likeness(a: Sequence[str], b: Sequence[str]) -> float:
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def _empty_finals(events: Iterable[Event]) -> Iterator[FinalEvent]:
    shown: set[int | None] = set()
    for event in events:
        if isinstance(event, Partial) and event.text.strip():
            shown.add(event.utterance)
        elif isinstance(event, FinalEvent) and not event.text.strip() and event.utterance in shown:
            yield event


def _silent_parts(case: SpokenCase, alone: Sequence[HeardAlone], events: Iterable[Event]) -> int:
    texts = [event for event in events if isinstance(event, FinalEvent | Partial) and event.text.strip()]
    return sum(
        part.end - part.start >= LONG_S * SAMPLE_RATE
        and all(map(words_of, heard))
        and not any(_belong(part, text) for text in texts)
        for part, heard in zip(case.parts, alone, strict=True)
    )
