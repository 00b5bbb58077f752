"""Transcribes utterances of several sessions with Moonshine tiny on ONNX Runtime.

The weights are those of the wheel `moonshine-voice==0.1.0`; its native library is not used. Decoding is
greedy. A draft (the tokens of the last hypothesis of the same utterance) is verified in one pass of the
decoder, as in speculative decoding (Leviathan et al., 2023, https://arxiv.org/abs/2211.17192) with an
exact match: the tokens that agree are kept, and decoding continues after them token by token.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Features, Floats, Job, Transcript
from engines.moonshine.tokens import END, START, Tokenizer
from engines.repetition import remove_repetition
from runtime.errors import StartupError
from runtime.wheels import folder_of

Ints: TypeAlias = npt.NDArray[np.int64]
Cache: TypeAlias = dict[str, Floats]

WHEEL: Final = "moonshine-voice==0.1.0"  # Later versions carry no weights.
TOKENS_PER_SECOND: Final = 20.0  # Tokens: "go" said ten times in 1.8 s has 16, most speech 4.
NOTHING: Final = "You"  # What the model says of sounds without speech; a "you" that is said has a mark.
MIN_SAMPLES: Final = 1_600  # Samples (100 ms): the encoder's convolutions need 50 ms; less audio is padded.
LAYERS, HEADS, HEAD_SIZE, HIDDEN_SIZE = 6, 8, 36, 288
DOUBLED: Final = re.compile(r"([,;:])[,;:]+")  # The model sometimes writes two commas at a pause.
SIMILAR: Final = 0.8  # Shortest length to longest in one pass of the encoder, so that little is padded.
SPREAD: Final = 3  # Verified tokens by which sequences that are decoded together may differ.
FILES: Final = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")


@dataclass(slots=True)
class Hypothesized:
    """The tokens of one job, and how many of them the model has confirmed.

    `logits` are those from which the last two tokens were chosen.
    """

    tokens: list[int]
    given: int  # tokens at the start that are not the model's to choose
    limit: int
    confirmed: int = 1
    logits: tuple[Floats, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the model ended it, or it reached its limit."""
        return len(self.tokens) == self.confirmed and (
            self.tokens[-1] == END or len(self.tokens) > self.limit
        )


class Moonshine:
    """The embedded engine. Threads are those of one forward pass.

    Raises:
        StartupError: a file of the model is missing; the message says which and how to get it.
    """

    def __init__(self, folder: Path | None = None, threads: int = 1) -> None:
        folder = folder or weights()
        for name in FILES:
            if not (folder / name).is_file():
                raise StartupError(f"Moonshine's {name} is not in {folder}; pip install {WHEEL}")
        encoder, decoder, tokenizer = (folder / name for name in FILES)
        self._encoder = _load(encoder, threads)
        self._decoder = _load(decoder, threads)
        self._outputs = [o.name for o in self._decoder.get_outputs()]
        self._tokenizer = Tokenizer.read(tokenizer)
        self._sentence_ends = self._tokenizer.sentence_ends()

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        return ModelInfo(
            "fast", "moonshine-tiny-en", "moonshine", ("en",), Features(interim_results=True).flags()
        )

    longest_context = 10 * SAMPLE_RATE
    """Cut into utterances, the test recordings have a WER of 5.5 % alone, of 2.8 % with a context of up
    to 10 s, of 2.4 % as whole files (measured; 6 s: 4.5 %, 8 s: 3.4 %, 16 s: 3.4 %)."""

    rest = SAMPLE_RATE * 3 // 10
    """Without a silence the model repeats itself where the audio stops inside a word (at 35 of 152 places of
    a recording, with it at none), and does not end "no" said forty times in nine seconds (measured)."""

    def transcribe(self, jobs: Sequence[Job]) -> list[Transcript]:
        """Greedy transcripts of all jobs, decoded together."""
        audio = [_at_least(job.audio, MIN_SAMPLES) for job in jobs]
        hidden, mask = self._encode(audio)
        sequences = [
            _hypothesized([START, *job.prefix], job.draft, len(x)) for job, x in zip(jobs, audio, strict=True)
        ]
        self._decode(sequences, hidden, mask)
        return [self._transcript(sequence) for sequence in sequences]

    def _transcript(self, sequence: Hypothesized) -> Transcript:
        complete = sequence.tokens[-1] == END
        tokens = sequence.tokens[sequence.given : -1 if complete else None]
        if not complete:
            tokens = remove_repetition(tokens)
        text = DOUBLED.sub(r"\1", self._tokenizer.text(tokens))
        if text == NOTHING:
            text, tokens = "", []
        finished = self._finished(sequence) if complete else None
        return Transcript(text, tuple(tokens), cut_off=not complete, language="en", finished=finished)

    def _finished(self, sequence: Hypothesized) -> float | None:
        """The probability that a sentence ends after the last word, with any of the marks that end one."""
        marked = len(sequence.logits) == 2 and self._tokenizer.is_mark(sequence.tokens[-2])
        logits = sequence.logits[0 if marked else -1]
        odds = np.exp(logits - logits.max())
        return float(odds[self._sentence_ends].sum() / odds.sum())

    def _encode(self, audio: list[Floats]) -> tuple[Floats, Ints]:
        """Hidden states [B, S, 288] and the mask at audio rate [B, T], padded to the longest."""
        lengths = [len(x) for x in audio]
        mask = np.zeros((len(audio), max(lengths)), np.int64)
        for row, length in enumerate(lengths):
            mask[row, :length] = 1
        parts = [(rows, self._encode_similar(audio, rows)) for rows in _similar(lengths)]
        if len(parts) == 1:
            return parts[0][1], mask
        states = max(part.shape[1] for _, part in parts)
        hidden = np.zeros((len(audio), states, HIDDEN_SIZE), np.float32)
        for rows, part in parts:
            hidden[rows, : part.shape[1]] = part
        return hidden, mask

    def _encode_similar(self, audio: list[Floats], rows: list[int]) -> Floats:
        longest = max(len(audio[row]) for row in rows)
        values = np.stack([_at_least(audio[row], longest) for row in rows])
        mask = np.stack([np.arange(longest) < len(audio[row]) for row in rows]).astype(np.int64)
        (hidden,) = self._encoder.run(None, {"input_values": values, "attention_mask": mask})
        # The states stay in the order of `rows`, which ascends where there is one group.
        return np.asarray(hidden, np.float32)

    def _decode(self, sequences: list[Hypothesized], hidden: Floats, mask: Ints) -> None:
        cache = self._verify(sequences, hidden, mask)
        for rows in _alike(sequences):
            past = min(sequences[row].confirmed for row in rows) - 1
            part = {
                name: value[rows, :, :past] if ".decoder." in name else value[rows]
                for name, value in cache.items()
            }
            self._continue([sequences[row] for row in rows], past, part, hidden[rows], mask[rows])

    def _verify(self, sequences: list[Hypothesized], hidden: Floats, mask: Ints) -> Cache:
        """One pass over all drafts; keeps the tokens that the model agrees with, and its next token."""
        longest = max(len(s.tokens) for s in sequences)
        ids = np.full((len(sequences), longest), END, np.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence.tokens)] = sequence.tokens
        logits, cache = self._run(ids, hidden, mask, _empty_cache(len(sequences)), cached=False)
        for row, sequence in enumerate(sequences):
            _accept(sequence, logits[row])
        return cache

    def _continue(
        self, sequences: list[Hypothesized], past: int, cache: Cache, hidden: Floats, mask: Ints
    ) -> None:
        """Decode token by token from position `past` until all sequences are done.

        A sequence with more confirmed tokens than the shortest gets its own tokens as input until the others
        are as long: the cache of a batch has one length.
        """
        while not all(sequence.done for sequence in sequences):
            ids = [[s.tokens[past] if past < len(s.tokens) else END] for s in sequences]
            logits, new = self._run(np.array(ids, np.int64), hidden, mask, cache, cached=True)
            cache |= {name: value for name, value in new.items() if ".decoder." in name}
            past += 1
            best = logits[:, -1].argmax(axis=-1)
            for row, (sequence, token) in enumerate(zip(sequences, best, strict=True)):
                if past == len(sequence.tokens) and not sequence.done:
                    sequence.logits = (*sequence.logits[-1:], logits[row, -1])
                    sequence.tokens.append(int(token))
                    sequence.confirmed += 1

    def _run(
        self, ids: Ints, hidden: Floats, mask: Ints, cache: Cache, *, cached: bool
    ) -> tuple[Floats, Cache]:
        logits, *present = self._decoder.run(
            None,
            {
                "input_ids": ids,
                "encoder_hidden_states": hidden,
                "encoder_attention_mask": mask,
                "use_cache_branch": np.array([cached]),
                **cache,
            },
        )
        names = (name.replace("present", "past_key_values") for name in self._outputs[1:])
        return logits, dict(zip(names, present, strict=True))


def _hypothesized(given: list[int], draft: Sequence[int], samples: int) -> Hypothesized:
    limit = len(given) + int(samples / SAMPLE_RATE * TOKENS_PER_SECOND) + 1
    return Hypothesized([*given, *draft], len(given), limit)


def _accept(sequence: Hypothesized, logits: Floats) -> None:
    """Keep the draft up to the first token that is not the model's choice, the best of the logits [L, V]."""
    best = logits.argmax(axis=-1)
    draft = sequence.tokens[: sequence.limit]
    agreed = sequence.given
    while agreed < len(draft) and draft[agreed] == best[agreed - 1]:
        agreed += 1
    sequence.tokens = [*draft[:agreed], int(best[agreed - 1])]
    sequence.confirmed = agreed + 1
    # Copies, so that the logits of the whole pass do not stay in memory.
    sequence.logits = tuple(logits[k].copy() for k in range(max(0, agreed - 2), agreed))


def _similar(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows in groups whose shortest is at least `SIMILAR` times their longest; rows ascend in a group."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while order:
        group = [row for row in order if lengths[row] >= SIMILAR * lengths[order[0]]]
        yield sorted(group)
        order = order[len(group) :]


def _alike(sequences: Sequence[Hypothesized]) -> Iterator[list[int]]:
    """Unfinished rows in groups that differ by at most `SPREAD` confirmed tokens."""
    order = [row for row, sequence in enumerate(sequences) if not sequence.done]
    order.sort(key=lambda row: sequences[row].confirmed)
    while order:
        least = sequences[order[0]].confirmed
        group = [row for row in order if sequences[row].confirmed <= least + SPREAD]
        yield group
        order = order[len(group) :]


def _at_least(audio: Floats, length: int) -> Floats:
    return np.pad(audio, (0, length - len(audio))) if len(audio) < length else audio


def _empty_cache(batch: int) -> Cache:
    """A cache for the first pass, which computes all keys and values: only its shape matters."""
    empty = np.zeros((batch, HEADS, 1, HEAD_SIZE), np.float32)
    return {
        f"past_key_values.{layer}.{side}.{part}": empty
        for layer in range(LAYERS)
        for side in ("decoder", "encoder")
        for part in ("key", "value")
    }


def _load(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Idle threads that spin would take the cores of the other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def weights() -> Path:
    """The folder in the moonshine-voice wheel that has the model.

    Raises:
        StartupError: the wheel is not installed.
    """
    return folder_of("moonshine_voice", WHEEL) / "assets" / "tiny-en"
