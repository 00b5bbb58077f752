"""Converts Moonshine's token numbers to text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

from runtime.errors import StartupError

START: Final = 1
END: Final = 2
_MARK: Final = re.compile(rb"""[.,!?;:"')-]+""")
_LEADING: Final = re.compile(r"^[.,!?;:]+(?:\s+|$)")  # Marks that end what was said before the text.
_SENTENCE_END: Final = re.compile(rb"""["')]*[.!?]["')]*""")
SPACE: Final = "\u2581"  # SentencePiece's sign for a space.
FIRST_SPECIAL: Final = 32_000  # Numbers from here on are special tokens, such as <<ST_7>>.


class Tokenizer:
    """The pieces of all tokens, as bytes: a character may be spread over several tokens."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `tokenizer.bin`: each entry is its length (one byte; from 128 on two) and its bytes.

        Raises:
            StartupError: the file is damaged.
        """
        try:
            return cls(list(_pieces(path.read_bytes())))
        except IndexError:
            raise StartupError(f"{path} is damaged; reinstall moonshine-voice==0.1.0") from None

    def text(self, tokens: Iterable[int]) -> str:
        """The text of a sequence of tokens, without special tokens.

        Behind a context it may begin with a mark that ends the sentence before, which is no part of it.
        """
        pieces = (self._pieces[t] for t in tokens if END < t < FIRST_SPECIAL)
        text = b"".join(pieces).decode(errors="ignore").replace(SPACE, " ").strip()
        return _LEADING.sub("", text)

    def word_probabilities(self, tokens: Sequence[int], probabilities: Sequence[float]) -> tuple[float, ...]:
        """The probability of each word: the least of its tokens, punctuation aside."""
        words = [
            [probabilities[at] for at in word if at < len(probabilities) and not self.is_mark(tokens[at])]
            for word in self.words(tokens)
        ]
        return tuple(min(word, default=1.0) for word in words)

    def words(self, tokens: Sequence[int]) -> list[list[int]]:
        """The positions of the tokens of each word, with the marks behind it."""
        words: list[list[int]] = []
        for at, token in enumerate(tokens):
            if not END < token < FIRST_SPECIAL or (not words and self.is_mark(token)):
                continue
            if not words or self._pieces[token].startswith(SPACE.encode()):
                words.append([])
            words[-1].append(at)
        return words

    def is_mark(self, token: int) -> bool:
        """Whether a token has nothing but punctuation."""
        return END < token < FIRST_SPECIAL and _MARK.fullmatch(self._pieces[token]) is not None

    def sentence_ends(self) -> list[int]:
        """The tokens that end a sentence: `.`, `!` and `?`, also with closing quotes."""
        marks = (token for token in range(END + 1, FIRST_SPECIAL) if self.is_mark(token))
        return [token for token in marks if _SENTENCE_END.fullmatch(self._pieces[token])]


def _pieces(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = data[at] * 128 + length - 128, at + 1
        if at + length > len(data):
            raise IndexError(at)
        yield data[at : at + length]
        at += length
