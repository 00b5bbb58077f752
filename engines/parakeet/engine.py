"""Transcribes chunks of several streams with Parakeet on NeMo's streaming inference.

A stream is one utterance. NeMo computes features, encoder and decoder, and keeps their state
(`nemo.collections.asr.inference`); the VAD decides where utterances begin and end.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Chunk, Features, OutOfMemory, StreamsLost, Transcript
from engines.parakeet.checkpoint import CheckpointKind, locate
from engines.parakeet.nemo import Frame
from engines.parakeet.pipeline import NemoPipeline
from engines.parakeet.vocabulary import Vocabularies
from runtime.errors import StartupError

STREAMS: Final = 64
"""Open streams by default; one of a cache-aware model of 0.6B parameters needs some 4 MB of the device."""


class NotOpen(Exception):
    """The stream was lost or has never begun."""


class NoFreeStream(Exception):
    """As many streams are open as the engine was made for."""


@dataclass(slots=True)
class StreamTranscript:
    """An open stream: its length, and the text and the words that are final."""

    samples: int = 0
    text: str = ""
    words: list[tuple[str, float, float, float]] = field(default_factory=list)

    def append(self, output: Any) -> None:
        """Append what a step has finished."""
        words = [(word.text.strip(), word.start, word.end, word.conf) for word in output.final_segments]
        joined = self.text and output.final_transcript and not output.final_transcript.startswith(" ")
        if joined and self.words and words:
            (head, start, _, first), (tail, _, end, second) = self.words.pop(), words[0]
            words[0] = (head + tail, start, end, (first + second) / 2)
        self.text += output.final_transcript
        self.words += [word for word in words if word[0]]

    def final(self, language: str | None, *, word_timestamps: bool) -> Transcript:
        """The complete transcript; its times lie within the stream."""
        end = self.samples / SAMPLE_RATE
        words = tuple(
            (text, round(min(max(start, 0.0), end), 3), round(min(max(stop, 0.0), end), 3), round(conf, 3))
            for text, start, stop, conf in self.words
        )
        confidence = round(fmean(word[3] for word in words), 3) if words else None
        return Transcript(
            self.text.strip(),
            language=language,
            confidence=confidence,
            words=words if word_timestamps else (),
        )


class Parakeet:
    """A checkpoint by hub name or path, in bfloat16 on CUDA and float32 on a CPU.

    `kind` is read from the checkpoint if it is None; `streams` may be open at a time; `chunk_ms` is the
    length of a step: 160 ms for a cache-aware checkpoint and 800 ms for another if it is None. `threads`
    are those of a step on a CPU, and torch's of the whole process.

    Raises:
        StartupError: there is no such checkpoint or device, it can't stream, or not in steps of this length.
    """

    def __init__(
        self,
        checkpoint: str,
        threads: int = 1,
        *,
        kind: CheckpointKind | None = None,
        streams: int = STREAMS,
        chunk_ms: int | None = None,
        device: str | None = None,
    ) -> None:
        found = locate(checkpoint, kind)
        torch.set_num_threads(threads)
        has_cuda = torch.cuda.is_available()
        if device == "cuda" and not has_cuda:
            raise StartupError(
                f"this host has a GPU, and torch {torch.__version__} can't use it:"
                " install a torch with CUDA, or set DALSTON_DEVICES=cpu"
            )
        device = device or ("cuda" if has_cuda else "cpu")
        try:
            self._pipeline = NemoPipeline(found, device, streams, chunk_ms)
        except torch.OutOfMemoryError:
            raise StartupError(f"{found.name} with {streams} streams does not fit the GPU's memory") from None
        except StartupError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever NeMo finds wrong, with the reason in its first line
            reason = str(error).partition("\n")[0]
            raise StartupError(f"{found.path} can't be loaded: {reason}") from None
        self.chunk_samples, self.stream_bytes = self._pipeline.chunk_samples, self._pipeline.stream_bytes
        self._checkpoint, self._streams = found, streams
        self._open: dict[int, StreamTranscript] = {}
        self._ahead: dict[int, Transcript] = {}  # Results of a part of a step whose other part failed.
        self._vocabularies = Vocabularies(
            str(found.path), self._pipeline.tokenizer, self._pipeline.model.joint.vocabulary
        )

    @property
    def info(self) -> ModelInfo:
        """What it is and can do."""
        features = Features(
            streaming=True, interim_results=True, word_timestamps=True, confidence=True, vocabulary=True
        )
        variant = "fast" if self._checkpoint.kind == "cache_aware" else "accurate"
        found = self._checkpoint
        return ModelInfo(variant, found.name, "parakeet", found.languages, features.flags())

    def transcribe(self, jobs: Sequence[Chunk]) -> list[Transcript]:
        """One step; the text of each stream from its beginning on.

        Raises:
            OutOfMemory: the step does not fit the device; no stream has changed.
            NoFreeStream: one stream too many begins; no stream has changed.
            NotOpen: a stream continues that is not open; no stream has changed.
            StreamsLost: the step failed half-way; its streams are not open any more.
        """
        due = {job.stream: job for job in jobs if job.stream not in self._ahead}
        self._check(due.values())
        for part in self._pipeline.split([self._frame(job) for job in due.values()]):
            self._ahead |= self._step(part, due)
        return [self._ahead.pop(job.stream) for job in jobs]

    def drop(self, stream: int) -> None:
        """Free a stream that will not be finished."""
        self._ahead.pop(stream, None)
        if self._open.pop(stream, None) is not None:
            self._pipeline.free(stream)

    def _check(self, jobs: Collection[Chunk]) -> None:
        for job in jobs:
            if len(job.audio) > self.chunk_samples or not (job.last or len(job.audio) == self.chunk_samples):
                raise ValueError(f"a chunk of {len(job.audio)} samples, not of {self.chunk_samples}")
            if job.first == (job.stream in self._open):
                raise NotOpen(f"stream {job.stream} is {'open already' if job.first else 'not open'}")
        starts = sum(job.first for job in jobs)
        ends = sum(job.last and not job.first for job in jobs)
        if len(self._open) - ends + starts > self._streams:
            raise NoFreeStream(f"{len(self._open)} of {self._streams} streams are open, {starts} more begin")

    def _frame(self, job: Chunk) -> Any:
        samples = np.pad(job.audio, (0, self.chunk_samples - len(job.audio)))
        return Frame(
            torch.from_numpy(samples),
            job.stream,
            is_first=job.first,
            is_last=job.last,
            length=len(job.audio),
            options=self._vocabularies.options(job.vocabulary) if job.first else None,
        )

    def _step(self, frames: Sequence[Any], jobs: dict[int, Chunk]) -> dict[int, Transcript]:
        try:
            outputs = self._pipeline.step(frames)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(str(error).partition("\n")[0]) from error
        except StreamsLost:
            for frame in frames:
                self._open.pop(frame.stream_id, None)
            raise
        return {output.stream_id: self._transcript(jobs[output.stream_id], output) for output in outputs}

    def _transcript(self, job: Chunk, output: Any) -> Transcript:
        transcript = self._open.setdefault(job.stream, StreamTranscript())
        transcript.samples += len(job.audio)
        transcript.append(output)
        languages = self._checkpoint.languages
        language = job.language or (languages[0] if len(languages) == 1 else None)
        if job.last:
            del self._open[job.stream]
            return transcript.final(language, word_timestamps=job.word_timestamps)
        return Transcript((transcript.text + output.partial_transcript).strip(), language=language)
