"""Transcribes utterances of several sessions with Moonshine on ONNX Runtime.

The weights are those of wheels whose native libraries are not used. Decoding is greedy. A draft (the tokens
of the last hypothesis of the same utterance) is verified in one pass of the decoder, as in speculative
decoding (Leviathan et al., 2023, https://arxiv.org/abs/2211.17192) with an exact match: the tokens that agree
are kept, and decoding continues after them token by token.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Floats, Job, Transcript
from engines.moonshine.checkpoints import TINY, TOKENIZER, EmbeddedModel, read_files
from engines.moonshine.decoding import Hypothesized, decode
from engines.moonshine.loading import load_model
from engines.moonshine.tokens import END, START, Tokenizer
from engines.moonshine.word_times import STATE, first_states, word_times
from engines.repetition import remove_repetition

TOKENS_PER_SECOND: Final = 20.0  # Tokens: "go" said ten times in 1.8 s has 16, most speech 4.
NOTHING: Final = "You"  # What the model says of sounds without speech; a "you" that is said has a mark.
SIGNS: Final = frozenset("\u266a\u00a9")  # Of songs and credits, which are made up of tones.
FEWEST_WORDS: Final = 3  # Words: of noise, a model that must begin says one, such as "Uh".
SILENT: Final = 0.98
"""Probability of the end before the first word, from which fewer words are made up. At 31 of 104 short
numbers and answers the model would have ended there, those of two words with up to 0.97; of 126 sounds
without speech all but NOTHING and SIGNS was one "Uh", with 0.99 (measured)."""
MIN_SAMPLES: Final = 1_600  # Samples (100 ms): the encoder's convolutions need 50 ms; less audio is padded.
DOUBLED: Final = re.compile(r"([,;:])[,;:]+")  # The model sometimes writes two commas at a pause.


class Moonshine:
    """The embedded engine: a model of a wheel, or of a folder of the user's, on `threads` for a forward pass.

    What is built of the model's files is kept in `data_dir`, where there is one.

    Raises:
        StartupError: a file of the model is missing or damaged; the message says which and how to get it.
    """

    def __init__(
        self, source: EmbeddedModel | Path = TINY, threads: int = 1, data_dir: Path | None = None
    ) -> None:
        files = read_files(source)
        self._name = files.name
        self._ends_early = files.ends_early
        self._model = load_model(files, threads, data_dir)
        self._tokenizer = Tokenizer.read(files.folder / TOKENIZER)
        self._sentence_ends = self._tokenizer.sentence_ends()

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        features = Features(interim_results=True, word_timestamps=self._model.word_times).flags()
        return ModelInfo("fast", f"moonshine-{self._name}", "moonshine", ("en",), features)

    longest_context = 10 * SAMPLE_RATE
    """Cut into utterances, the test recordings have a WER of 5.5 % alone, of 2.8 % with a context of up
    to 10 s, of 2.4 % as whole files (measured; 6 s: 4.5 %, 8 s: 3.4 %, 16 s: 3.4 %)."""

    rest = SAMPLE_RATE * 3 // 10
    """Without a silence the model repeats itself where the audio stops inside a word (at 35 of 152 places of
    a recording, with it at none), and does not end "no" said forty times in nine seconds (measured)."""

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """Greedy transcripts of all jobs, decoded together."""
        audio = [_at_least(job.audio, MIN_SAMPLES) for job in jobs]
        sequences = [
            _hypothesized(job, len(x), must_begin=self._ends_early)
            for job, x in zip(jobs, audio, strict=True)
        ]
        most = self._model.most_rows
        return [
            transcript
            for first in range(0, len(jobs), most)
            for transcript in self._decode(
                jobs[first : first + most], audio[first : first + most], sequences[first : first + most]
            )
        ]

    def _decode(
        self, jobs: Sequence[Job], audio: Sequence[Floats], sequences: Sequence[Hypothesized]
    ) -> list[Transcript]:
        """The transcripts of a batch that the model takes at once."""
        state = self._model.encode(audio)
        attention = state.attention()
        decode(sequences, state)
        transcripts = [self._transcript(sequence) for sequence in sequences]
        if attention is None:
            return transcripts
        return [
            self._timed(each, job, partial(attention.weights, row)) if job.word_timestamps else each
            for row, (job, each) in enumerate(zip(jobs, transcripts, strict=True))
        ]

    def _timed(
        self, transcript: Transcript, job: Job, weights: Callable[[Sequence[int]], Floats]
    ) -> Transcript:
        """The transcript with the times of its words, if these can be told apart."""
        words, tokens = transcript.text.split(), self._tokenizer.words(transcript.tokens)
        if not words or len(words) != len(tokens):
            return transcript
        given = [START, *job.prefix]
        # What the decoder listens to behind a token is where the next one is said.
        states = first_states(weights([*given, *transcript.tokens]))[len(given) - 1 :]
        times = word_times(job.audio, [states[word[0]] * STATE for word in tokens], states[-1] * STATE)
        before = job.context / SAMPLE_RATE
        return replace(
            transcript,
            words=tuple(
                (word, max(0.0, start - before), max(0.0, end - before), None)
                for word, (start, end) in zip(words, times, strict=True)
            ),
        )

    def _transcript(self, sequence: Hypothesized) -> Transcript:
        complete = sequence.tokens[-1] == END
        tokens = sequence.tokens[sequence.given : -1 if complete else None]
        if not complete:
            tokens = remove_repetition(tokens)
        text = DOUBLED.sub(r"\1", self._tokenizer.text(tokens))
        sung = _is_sung(text, sequence.ended)
        if sung or text == NOTHING or _is_made_up(text, sequence.ended):
            text, tokens = "", []
        return Transcript(
            text,
            tuple(tokens),
            cut_off=not complete or sung,
            language="en",
            finished=self._finished(sequence) if complete else None,
            word_probabilities=self._word_probabilities(text, tokens, sequence.probabilities),
        )

    def _word_probabilities(
        self, text: str, tokens: Sequence[int], probabilities: Sequence[float]
    ) -> tuple[float, ...]:
        """The probabilities of the words of the text, none where they can't be told apart."""
        found = self._tokenizer.word_probabilities(tokens, probabilities)
        return found if len(found) == len(text.split()) else ()

    def _finished(self, sequence: Hypothesized) -> float | None:
        """The probability that a sentence ends after the last word, with any of the marks that end one."""
        marked = len(sequence.logits) == 2 and self._tokenizer.is_mark(sequence.tokens[-2])
        logits = sequence.logits[0 if marked else -1]
        odds = np.exp(logits - logits.max())
        return float(odds[self._sentence_ends].sum() / odds.sum())


def _hypothesized(job: Job, samples: int, *, must_begin: bool) -> Hypothesized:
    given = [START, *job.prefix]
    limit = len(given) + int(samples / SAMPLE_RATE * TOKENS_PER_SECOND) + 1
    # Behind a prefix, which is speech, the model goes on by itself.
    must_begin = must_begin and not job.prefix
    return Hypothesized([*given, *job.draft], len(given), limit, must_begin=must_begin)


def _is_sung(text: str, ended: float) -> bool:
    """Whether a text that the model would have `ended` with this probability has a sign of songs.

    It is of tones, or of the same words again and again: less audio at a time shows which.
    """
    return ended > 0 and bool(SIGNS & set(text))


def _is_made_up(text: str, ended: float) -> bool:
    """Whether a text that the model would have `ended` with this probability is what it makes of noise."""
    return ended > SILENT and len(text.split()) < FEWEST_WORDS


def _at_least(audio: Floats, length: int) -> Floats:
    return np.pad(audio, (0, length - len(audio))) if len(audio) < length else audio
