"""Whisper's vocabulary: prompts for the decoder, and tokens as text and as timed words."""

import re
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Final, Self, TypeAlias

import tokenizers
from faster_whisper.tokenizer import Tokenizer

from engines.whisper.checkpoint import WhisperCheckpoint
from engines.whisper.model import Aligned
from runtime.errors import StartupError

Words: TypeAlias = tuple[tuple[str, float, float, float | None], ...]

ENGLISH: Final = "en"
FRAME_S: Final = 0.02  # of audio for one hidden state
MAX_VOCABULARY: Final = 200  # tokens: of the decoder's 448 positions a text may take 224, its start 5
LANGUAGE: Final = re.compile(r"<\|([a-z]{2,3})\|>")
ISO_639: Final = {"jw": "jv"}  # Whisper's code, and the one that ISO 639-1 has for the language
UNSPACED: Final = frozenset(("zh", "ja", "th", "lo", "my", "yue"))  # as in openai/whisper's tokenizer


class Text:
    """The tokens of one model; `multilingual` says that its prompts name a language.

    `marks` are the tokens of the languages that it knows, by ISO 639 code.
    """

    def __init__(self, tokens: tokenizers.Tokenizer, *, multilingual: bool, english: bool) -> None:
        self._tokenizer = Tokenizer(tokens, multilingual=False)
        self._encode = tokens
        self.marks = _languages(tokens) if multilingual else {}
        self.languages: tuple[str, ...] = (ENGLISH,)
        if multilingual and not english:
            self.languages = tuple(sorted(self.marks))

    @classmethod
    def read(cls, checkpoint: WhisperCheckpoint, *, multilingual: bool) -> Self:
        """Read `tokenizer.json`.

        Raises:
            StartupError: the file is damaged, or has not Whisper's tokens.
        """
        path = checkpoint.folder / "tokenizer.json"
        try:
            tokens = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001  (the library raises nothing more specific)
            raise StartupError(f"{path} is damaged: {error}") from None
        if tokens.token_to_id("<|startoftranscript|>") is None:
            raise StartupError(f"{path} does not have Whisper's tokens; {checkpoint.folder} is another model")
        return cls(tokens, multilingual=multilingual, english=checkpoint.english)

    def start(self, language: str) -> list[int]:
        """The start of a transcript in a language."""
        if not self.marks:
            return [self._tokenizer.sot]
        return [self._tokenizer.sot, self.marks[language], self._tokenizer.transcribe]

    def prompt(self, language: str, vocabulary: Iterable[str]) -> list[int]:
        """What the decoder goes on from: the phrases, as if they had been said before, and the start."""
        before = self._phrases(vocabulary)
        previous = [self._tokenizer.sot_prev, *before] if before else []
        return [*previous, *self.start(language), self._tokenizer.no_timestamps]

    def _phrases(self, vocabulary: Iterable[str]) -> list[int]:
        """Tokens of as many phrases as there is room for, the first ones first.

        Whisper's own marks in a phrase are left out: a second start makes a batch of prompts invalid.
        """
        tokens: list[int] = []
        for phrase in filter(None, map(str.strip, vocabulary)):
            encoded = self._tokenizer.encode(f"{',' if tokens else ''} {phrase}")
            more = [token for token in encoded if token < self._tokenizer.eot]
            if len(tokens) + len(more) > MAX_VOCABULARY:
                break
            tokens += more
        return tokens

    def text(self, tokens: Iterable[int]) -> str:
        """The text without Whisper's own marks."""
        return str(self._tokenizer.decode(list(tokens))).strip()

    def words(self, tokens: Sequence[int], aligned: Aligned, language: str, seconds: float) -> Words:
        """Words with start and end (seconds) and the mean probability of their tokens.

        Punctuation belongs to the word before it. Where words are not set apart by spaces, each
        character is one, as in openai/whisper.
        """
        found: Words = ()
        at = 0
        for word, length in self._split(tokens, spaced=language not in UNSPACED):
            start, end = (min(aligned.starts[i] * FRAME_S, seconds) for i in (at, at + length))
            confidence = round(fmean(aligned.probabilities[at : at + length]), 3)
            found += ((word, round(start, 3), round(end, 3), confidence),)
            at += length
        return found

    def _split(self, tokens: Sequence[int], *, spaced: bool) -> list[tuple[str, int]]:
        """Words and how many tokens each has."""
        pieces, lengths = self._tokenizer.split_tokens_on_unicode(list(tokens))
        words: list[tuple[str, int]] = []
        for piece, length in zip(pieces, map(len, lengths), strict=True):
            begins = piece.startswith(" ") or not (spaced or _is_punctuation(piece))
            if words and (not begins or not words[-1][0].strip()):
                word, before = words.pop()
                words.append((word + piece, before + length))
            else:
                words.append((piece, length))
        return [(word.strip(), length) for word, length in words]


def _is_punctuation(piece: str) -> bool:
    return not any(character.isalnum() for character in piece)


def _languages(tokens: tokenizers.Tokenizer) -> dict[str, int]:
    marks = {number: LANGUAGE.fullmatch(str(token)) for token, number in tokens.get_vocab().items()}
    codes = {number: mark[1] for number, mark in marks.items() if mark}
    return {ISO_639.get(code, code): number for number, code in codes.items()}
