"""Makes of written text the words as they are spoken: in lower case, without punctuation."""

import unicodedata

from dalston_realtime.protocol.events import Final, Word


def spoken_word(written: str) -> str:
    """A word without the punctuation around it, in lower case; empty where it is nothing else."""
    start, end = 0, len(written)
    while start < end and _is_mark(written[start]):
        start += 1
    while end > start and _is_mark(written[end - 1]):
        end -= 1
    return written[start:end].lower()


def spoken_text(written: str) -> str:
    """The spoken words of a text, joined by single spaces."""
    return " ".join(word for word in map(spoken_word, written.split()) if word)


def words_of(final: Final) -> tuple[Word, ...]:
    """The words of a final; where the model tells no times, its text at the spaces."""
    return final.words or tuple(Word(word=word) for word in final.text.split())


def _is_mark(char: str) -> bool:
    return unicodedata.category(char)[0] == "P"
