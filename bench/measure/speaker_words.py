"""Counts word errors of a conversation in which each word must be given to whoever says it."""

from collections.abc import Mapping
from itertools import permutations

from bench.measure.word_errors import word_errors


def speaker_word_errors(reference: Mapping[str, str], found: Mapping[str, str]) -> tuple[int, int]:
    """The errors and the words of the reference: all that each speaker says, speakers matched best.

    This is the concatenated minimum-permutation word error rate (cpWER) of CHiME-6: who is found
    and matches nobody has said only wrong words, and who is not found has lost all of them.
    """
    size = max(len(reference), len(found))
    said = [*reference.values(), *[""] * (size - len(reference))]
    heard = [*found.values(), *[""] * (size - len(found))]
    errors = [[word_errors(a, b)[0] for b in heard] for a in said]
    words = sum(word_errors(a, a)[1] for a in reference.values())
    return min(sum(errors[a][b] for a, b in enumerate(order)) for order in permutations(range(size))), words
