"""Compares two transcripts: what was lost, doubled or heard differently."""

from dataclasses import dataclass

import jiwer

from tests.support.speech import words

HEARD_SO = {("we", "were", "", "all"), ("we", "", "were", "all")}
"""What the model makes of the recording where an undisturbed session begins elsewhere: word before, words,
words that are heard, word behind. Measured with sessions that begin at every 0.6 s of it."""

SLACK = 1  # words by which a passage that is heard differently may be longer or shorter: it was, it's


@dataclass(frozen=True, slots=True)
class Difference:
    """Counts of words, and the passages."""

    lost: int = 0
    doubled: int = 0
    different: int = 0
    passages: tuple[str, ...] = ()

    def __add__(self, other: "Difference") -> "Difference":
        return Difference(
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.different + other.different,
            self.passages + other.passages,
        )


def compare(reference: str, text: str) -> Difference:
    """How `text` differs from `reference`, in the alignment with the least edits."""
    said, heard = words(reference), words(text)
    chunks = jiwer.process_words(" ".join(said), " ".join(heard) or "-").alignments[0]
    found, a, b = Difference(), 0, 0
    for chunk in chunks:
        if chunk.type == "equal":
            left, right = said[a : chunk.ref_start_idx], heard[b : chunk.hyp_start_idx]
            around = ("".join(said[a - 1 : a]), said[chunk.ref_start_idx])
            if (around[0], " ".join(left), " ".join(right), around[1]) not in HEARD_SO:
                found += _passage(left, right)
            a, b = chunk.ref_end_idx, chunk.hyp_end_idx
    return found + _passage(said[a:], heard[b:])


def _passage(said: list[str], heard: list[str]) -> Difference:
    if not said and not heard:
        return Difference()
    slack = SLACK if said and heard else 0
    return Difference(
        lost=max(0, len(said) - len(heard) - slack),
        doubled=max(0, len(heard) - len(said) - slack),
        different=min(len(said), len(heard)),
        passages=(f"{' '.join(said) or '-'} / {' '.join(heard) or '-'}",),
    )
