"""Compares what a real model heard with what it hears where nothing is broken, however it begins."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import jiwer

from tests.support.speech import words

Passage: TypeAlias = tuple[str, str, str, str]
"""The word before a difference, the words of the one transcript, those of the other one, the word behind."""


def passages(reference: str, text: str) -> list[Passage]:
    """Where two transcripts differ, in the alignment with the least edits."""
    left, right = words(reference), words(text)
    chunks = jiwer.process_words(" ".join(left) or "-", " ".join(right) or "-").alignments[0]
    found, a, b = list[Passage](), 0, 0
    for chunk in [each for each in chunks if each.type == "equal"]:
        found.append(_passage(left, right, slice(a, chunk.ref_start_idx), slice(b, chunk.hyp_start_idx)))
        a, b = chunk.ref_end_idx, chunk.hyp_end_idx
    found.append(_passage(left, right, slice(a, len(left)), slice(b, len(right))))
    return [each for each in found if each[1] or each[2]]


def _passage(left: list[str], right: list[str], a: slice, b: slice) -> Passage:
    before, behind = left[max(0, a.start - 1) : a.start], left[a.stop : a.stop + 1]
    return " ".join(before), " ".join(left[a]), " ".join(right[b]), " ".join(behind)


@dataclass
class Variation:
    """What a model makes of the same speech where its sessions begin elsewhere in it."""

    known: set[Passage] = field(default_factory=set)

    def learn(self, reference: str, texts: Iterable[str]) -> None:
        """Add where these differ from the reference, which has all of their words; not at their begin."""
        for text in texts:
            self.known |= {each for each in passages(reference, text) if each[0]}

    def unknown(self, reference: str, text: str) -> list[Passage]:
        """Where a transcript differs as no undisturbed one did."""
        return [each for each in passages(reference, text) if each not in self.known]


def count_lost(found: Iterable[Passage]) -> int:
    """Words that these passages lack."""
    return sum(max(0, len(left.split()) - len(right.split())) for _, left, right, _ in found)


def count_doubled(found: Iterable[Passage]) -> int:
    """Words that these passages have too many."""
    return count_lost((before, right, left, behind) for before, left, right, behind in found)
