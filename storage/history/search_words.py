"""Finds the words by which a text is searched: without case and accents, one by one.

SQLite and PostgreSQL would each cut a text in their own way; both get the words that are found here.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

# A run of letters and digits. In Chinese, Japanese and Korean, which put no spaces, each character alone.
_ALONE: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of a text, and whether it is a word that was searched."""

    text: str
    is_hit: bool


def search_words(text: str) -> list[str]:
    """The words of a text as they are searched."""
    return [word for found in _WORD.findall(text) if (word := _folded(found))]


def highlighted(text: str, wanted: Iterable[str]) -> Iterator[TextPart]:
    """The text in pieces, of which those are hits whose words are `wanted`."""
    words, at = frozenset(wanted), 0
    for match in _WORD.finditer(text):
        if _folded(match[0]) in words:
            if match.start() > at:
                yield TextPart(text[at : match.start()], is_hit=False)
            yield TextPart(match[0], is_hit=True)
            at = match.end()
    if at < len(text):
        yield TextPart(text[at:], is_hit=False)


def _folded(word: str) -> str:
    """Letters and digits alone, in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in decomposed if char.isalnum())
