"""Transcribes utterances of several sessions with Whisper on CTranslate2, decoded in one batch.

Features, tokenizer and download are faster-whisper's; encoder, decoder and alignment are CTranslate2's.
There are no partials: an utterance is decoded when it has ended.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Floats, Job, Transcript
from engines.repetition import remove_repetition
from engines.whisper.checkpoint import EMBEDDED, locate
from engines.whisper.hallucination import DecodedText, is_doubtful, is_echo, is_noise
from engines.whisper.model import Generated, WhisperModel
from engines.whisper.text import ISO_639, Text, Words

HOP: Final = 160  # Samples of one frame of the mel spectrogram (10 ms).
FULL: Final = 3_000  # Frames (30 s): the length that Whisper was trained on, and its maximum.
SHORT: Final = 1_500
"""Frames (15 s) that a CPU encodes of shorter utterances, in a third to a sixth of the time of 30 s.

Transcripts are as good (in 291 words with tiny.en: 8 errors against 9 in 30 s; 34 against 34 in noise; 12
against 15 in faster speech). With less than 15 s the decoder repeats itself (measured). A doubtful transcript
is made again in full length.
"""
MARGIN: Final = 200  # Frames of silence (2 s) that must follow an utterance that is encoded in 15 s.
MAX_TOKENS: Final = 224  # Tokens of a text: half of the decoder's positions, as in openai/whisper.
TOKENS_PER_SECOND: Final = 20  # Tokens: more than any language has, so that a repetition ends there.
FREE_TOKENS: Final = 10  # Tokens above that, for punctuation and rare words in very short utterances.


@dataclass(frozen=True, slots=True)
class Decoded:
    """One utterance: the encoder's states [F / 2, D] and the decoder's result."""

    hidden: Floats
    language: str
    tokens: tuple[int, ...]
    result: DecodedText


class Whisper:
    """A model by name, Hugging Face id or folder. Threads are those of one forward pass on a CPU.

    Raises:
        StartupError: it is missing or no Whisper model, or there is no such device.
    """

    longest_context = 0
    rest = 0

    def __init__(
        self,
        model: str = EMBEDDED,
        threads: int = 1,
        device: str | None = None,
        compute_type: str | None = None,
    ) -> None:
        checkpoint = locate(model)
        self._model = WhisperModel(checkpoint, threads, device, compute_type)
        self._text = Text.read(checkpoint, multilingual=self._model.multilingual)
        self._extract = FeatureExtractor(feature_size=self._model.mels)
        self._name = checkpoint.name

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        features = Features(word_timestamps=True, confidence=True, vocabulary=True)
        return ModelInfo("accurate", self._name, "whisper", self._text.languages, features.flags())

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """Transcripts of all jobs; the text is empty where nobody speaks.

        Raises:
            OutOfMemory: the batch does not fit the device.
        """
        frames = [self._frames(job) for job in jobs]
        decoded = self._decode(jobs, frames)
        again = [row for row, d in enumerate(decoded) if frames[row] < FULL and is_doubtful(d.result)]
        better = self._decode([jobs[row] for row in again], [FULL] * len(again))
        for row, attempt in zip(again, better, strict=True):
            decoded[row] = attempt
        self._drop_echoes(jobs, frames, decoded)
        words = self._align(jobs, decoded)
        return [_transcript(d, words.get(row, ()), jobs[row]) for row, d in enumerate(decoded)]

    def _frames(self, job: Job) -> int:
        fits = len(job.audio) <= (SHORT - MARGIN) * HOP
        return SHORT if fits and self._model.device == "cpu" else FULL

    def _decode(self, jobs: Sequence[Job], frames: Sequence[int]) -> list[Decoded]:
        """Encode jobs of one number of frames in one batch, and decode prompts of one length in one batch."""
        decoded: dict[int, Decoded] = {}
        for rows in _groups(frames):
            hidden = self._model.encode([self._mel(jobs[row].audio, frames[row]) for row in rows])
            languages = self._languages([jobs[row] for row in rows], hidden)
            prompts = [
                self._text.prompt(language, jobs[row].vocabulary)
                for row, language in zip(rows, languages, strict=True)
            ]
            for part in _groups([len(prompt) for prompt in prompts]):
                limits = [_limit(jobs[rows[i]].audio) for i in part]
                made = self._model.generate(hidden[part], [prompts[i] for i in part], max(limits))
                for i, limit, text in zip(part, limits, made, strict=True):
                    decoded[rows[i]] = self._decoded(hidden[i], languages[i], text, limit)
        return [decoded[row] for row in range(len(jobs))]

    def _drop_echoes(self, jobs: Sequence[Job], frames: Sequence[int], decoded: list[Decoded]) -> None:
        """Remove the vocabulary where nobody spoke: with it in the prompt, the model finds it in noise."""
        echoes = [
            row
            for row, (job, d) in enumerate(zip(jobs, decoded, strict=True))
            if not is_noise(d.result) and is_echo(d.result.text, job.vocabulary)
        ]
        plain = [replace(jobs[row], vocabulary=()) for row in echoes]
        for row, d in zip(echoes, self._decode(plain, [frames[row] for row in echoes]), strict=True):
            if is_noise(d.result):
                decoded[row] = d

    def _mel(self, audio: Floats, frames: int) -> Floats:
        """Log-mel spectrogram [mels, frames] of the audio and the silence behind it."""
        padded = np.zeros(frames * HOP, np.float32)
        padded[: min(len(audio), len(padded))] = audio[: len(padded)]
        return np.asarray(self._extract(padded, padding=0)[:, :frames], np.float32)

    def _languages(self, jobs: Sequence[Job], hidden: Floats) -> list[str]:
        """The language of each job: the model's only one, the client's choice, or the model's guess."""
        known = self._text.languages
        if len(known) == 1:
            return [known[0]] * len(jobs)
        codes = [job.language or "" for job in jobs]
        if unknown := [row for row, code in enumerate(codes) if code not in known]:
            for row, code in zip(unknown, self._model.identify(hidden[unknown]), strict=True):
                codes[row] = ISO_639.get(code, code)
        return codes

    def _decoded(self, hidden: Floats, language: str, made: Generated, limit: int) -> Decoded:
        endless = len(made.tokens) >= limit
        tokens = tuple(remove_repetition(list(made.tokens[:limit]))) if endless else made.tokens
        result = DecodedText(self._text.text(tokens), made.logprob, made.no_speech, endless)
        return Decoded(hidden, language, tokens, result)

    def _align(self, jobs: Sequence[Job], decoded: Sequence[Decoded]) -> dict[int, Words]:
        """Timed words of the jobs that ask for them, one batch for each language and number of frames."""
        wanted = [
            row
            for row, (job, d) in enumerate(zip(jobs, decoded, strict=True))
            if job.word_timestamps and d.tokens and not is_noise(d.result)
        ]
        words: dict[int, Words] = {}
        for part in _groups([(decoded[row].language, len(decoded[row].hidden)) for row in wanted]):
            rows = [wanted[i] for i in part]
            language = decoded[rows[0]].language
            aligned = self._model.align(
                np.stack([decoded[row].hidden for row in rows]),
                self._text.start(language),
                [list(decoded[row].tokens) for row in rows],
                [min(FULL, math.ceil(len(jobs[row].audio) / HOP)) for row in rows],
            )
            for row, times in zip(rows, aligned, strict=True):
                seconds = len(jobs[row].audio) / SAMPLE_RATE
                words[row] = self._text.words(decoded[row].tokens, times, language, seconds)
        return words


def _transcript(decoded: Decoded, words: Words, job: Job) -> Transcript:
    result = decoded.result
    if is_noise(result) or not result.text:
        return Transcript("", language=job.language)
    return Transcript(
        result.text,
        decoded.tokens,
        cut_off=result.endless,
        language=decoded.language,
        confidence=round(math.exp(result.logprob), 3),
        words=words,
    )


def _limit(audio: Floats) -> int:
    return min(MAX_TOKENS, FREE_TOKENS + int(len(audio) / SAMPLE_RATE * TOKENS_PER_SECOND))


def _groups(keys: Sequence[Hashable]) -> Iterator[list[int]]:
    """The positions of equal keys, in the order in which the keys first occur."""
    groups: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    yield from groups.values()
