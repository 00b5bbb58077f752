"""Texts in, comparable words and the word error rate out."""

from collections.abc import Callable
from functools import cache


def errors(reference: str, text: str) -> tuple[int, int]:
    """Wrong words (substituted, left out, put in) and words of the reference, by Whisper's normalizer."""
    import jiwer

    true, heard = (_normalizer()(each) for each in (reference, text))
    total = len(true.split())
    if not heard or not total:
        return max(total, len(heard.split())), total
    found = jiwer.process_words(true, heard)
    return found.substitutions + found.deletions + found.insertions, total


@cache
def _normalizer() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str] = EnglishTextNormalizer()
    return normalize
