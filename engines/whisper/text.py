"""Converts between text and Whisper's tokens: prompts for the decoder, its output as text and timed words."""

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
FRAME_S: Final = 0.02  # Seconds of audio for one hidden state.
MAX_VOCABULARY: Final = 200  # Tokens: of the decoder's 448 positions a text may take 224, and its start 5.
LANGUAGE: Final = re.compile(r"<\|([a-z]{2,3})\|>")
ISO_639: Final = {"jw": "jv"}  # From Whisper's code to that of ISO 639-1, where they differ.
UNSPACED: Final = frozenset(("zh", "ja", "th", "lo", "my", "yue"))  # As in openai/whisper's tokenizer.


class Text:
    """The tokens of one model; `multilingual` says that its prompts name a language.

    `language_tokens` are the tokens of the languages that it knows, by ISO 639 code.
    """

    def __init__(self, tokens: tokenizers.Tokenizer, *, multilingual: bool, english: bool) -> None:
        self._tokenizer = Tokenizer(tokens, multilingual=False)
        self._encode = tokens
        self.language_tokens = _languages(tokens) if multilingual else {}
        self.languages: tuple[str, ...] = (ENGLISH,)
        if multilingual and not english:
            self.languages = tuple(sorted(self.language_tokens))

    @classmethod
    def read(cls, checkpoint: WhisperCheckpoint, *, multilingual: bool) -> Self:
        """Read `tokenizer.json`.

        Raises:
            StartupError: the file is damaged, or does not have Whisper's tokens.
        """
        path = checkpoint.folder / "tokenizer.json"
        try:
            tokens = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the library raises nothing more specific
            raise StartupError(f"{path} is damaged: {error}") from None
        if tokens.token_to_id("<|startoftranscript|>") is None:
            raise StartupError(f"{path} does not have Whisper's tokens; {checkpoint.folder} is another model")
        return cls(tokens, multilingual=multilingual, english=checkpoint.english)

    def start(self, language: str) -> list[int]:
        """The tokens with which a transcript in a language starts."""
        if not self.language_tokens:
            return [self._tokenizer.sot]
        return [self._tokenizer.sot, self.language_tokens[language], self._tokenizer.transcribe]

    def prompt(self, language: str, vocabulary: Iterable[str]) -> list[int]:
        """The decoder's prompt: the phrases, as if they had been said before, and the start."""
        phrases = self._phrase_tokens(vocabulary)
        previous = [self._tokenizer.sot_prev, *phrases] if phrases else []
        return [*previous, *self.start(language), self._tokenizer.no_timestamps]

    def _phrase_tokens(self, vocabulary: Iterable[str]) -> list[int]:
        """Tokens of the first phrases, as many as fit.

        Whisper's special tokens in a phrase are left out: a second start makes a batch of prompts invalid.
        """
        tokens: list[int] = []
        for phrase in filter(None, map(str.strip, vocabulary)):
            encoded = self._tokenizer.encode(f"{',' if tokens else ''} {phrase}")
            added = [token for token in encoded if token < self._tokenizer.eot]
            if len(tokens) + len(added) > MAX_VOCABULARY:
                break
            tokens += added
        return tokens

    def text(self, tokens: Iterable[int]) -> str:
        """The text without Whisper's special tokens."""
        return str(self._tokenizer.decode(list(tokens))).strip()

    def words(self, tokens: Sequence[int], aligned: Aligned, language: str, seconds: float) -> Words:
        """Words with start and end (seconds) and the mean probability of their tokens.

        Punctuation belongs to the word before it. Where spaces do not separate words, each
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
        """Words, and the number of tokens of each."""
        pieces, lengths = self._tokenizer.split_tokens_on_unicode(list(tokens))
        words: list[tuple[str, int]] = []
        for piece, length in zip(pieces, map(len, lengths), strict=True):
            begins = piece.startswith(" ") or not (spaced or _is_punctuation(piece))
            if words and (not begins or not words[-1][0].strip()):
                word, tokens_before = words.pop()
                words.append((word + piece, tokens_before + length))
            else:
                words.append((piece, length))
        return [(word.strip(), length) for word, length in words]


def _is_punctuation(piece: str) -> bool:
    return not any(character.isalnum() for character in piece)


def _languages(tokens: tokenizers.Tokenizer) -> dict[str, int]:
    matches = {number: LANGUAGE.fullmatch(str(token)) for token, number in tokens.get_vocab().items()}
    codes = {number: match[1] for number, match in matches.items() if match}
    return {ISO_639.get(code, code): number for number, code in codes.items()}
