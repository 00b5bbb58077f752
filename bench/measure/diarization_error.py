"""Computes the diarization error rate: speech that is missed, invented or given to another speaker."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

Span: TypeAlias = tuple[float, float]
SpeakerTurn: TypeAlias = tuple[float, float, Hashable]
"""Start and end in seconds, and who speaks."""

COLLAR: Final = 0.25  # Seconds before and after each edge of a reference turn that are not scored.


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds, summed over speakers: of speech, and of what is wrong in it."""

    speech: float = 0.0
    missed: float = 0.0
    invented: float = 0.0
    confused: float = 0.0

    @property
    def rate(self) -> float:
        """The diarization error rate in percent; 0 without speech."""
        return 100 * (self.missed + self.invented + self.confused) / self.speech if self.speech else 0.0


def diarization_errors(
    reference: Sequence[SpeakerTurn], found: Sequence[SpeakerTurn], seconds: float, collar: float = COLLAR
) -> DiarizationErrors:
    """The errors in `seconds` of audio, with each speaker of the reference given the best one of `found`.

    The definition is that of NIST's md-eval; time in which several speak counts once for each of them.
    """
    pieces = list(_pieces(reference, found, seconds, collar))
    together: dict[tuple[Hashable, Hashable], float] = defaultdict(float)
    for length, said, heard in pieces:
        for pair in ((a, b) for a in said for b in heard):
            together[pair] += length
    names = best_assignment(together)
    speech = missed = invented = confused = 0.0
    for length, said, heard in pieces:
        right = sum(names.get(speaker) in heard for speaker in said)
        speech += length * len(said)
        missed += length * max(0, len(said) - len(heard))
        invented += length * max(0, len(heard) - len(said))
        confused += length * (min(len(said), len(heard)) - right)
    return DiarizationErrors(speech, missed, invented, confused)


def _pieces(
    reference: Sequence[SpeakerTurn], found: Sequence[SpeakerTurn], seconds: float, collar: float
) -> Iterator[tuple[float, set[Hashable], set[Hashable]]]:
    """Length, reference speakers and found speakers of each scored piece in which they do not change."""
    edges = {edge for start, end, _ in reference for edge in (start, end)}
    excluded = [(edge - collar, edge + collar) for edge in edges] if collar else []
    cuts = edges | {e for span in excluded for e in span} | {e for a, b, _ in found for e in (a, b)}
    for start, end in pairwise(sorted({0.0, seconds, *(cut for cut in cuts if 0 < cut < seconds)})):
        middle = (start + end) / 2
        if not any(a < middle < b for a, b in excluded):
            yield end - start, _speaking(reference, middle), _speaking(found, middle)


def _speaking(turns: Iterable[SpeakerTurn], time: float) -> set[Hashable]:
    return {speaker for start, end, speaker in turns if start <= time < end}


def best_assignment(together: dict[tuple[Hashable, Hashable], float]) -> dict[Hashable, Hashable]:
    """Each first name of a pair with a second one of its own, so that the sum of the times is largest."""
    rows = sorted({a for a, _ in together}, key=repr)
    columns = sorted({b for _, b in together}, key=repr)
    best: dict[frozenset[Hashable], tuple[float, dict[Hashable, Hashable]]] = {frozenset(): (0.0, {})}
    for row in rows:
        for used, (total, pairs) in list(best.items()):
            for column in columns:
                gain = together.get((row, column), 0.0)
                taken = used | {column}
                if gain and column not in used and total + gain > best.get(taken, (0.0, {}))[0]:
                    best[taken] = total + gain, pairs | {row: column}
    return max(best.values(), key=lambda each: each[0])[1]
