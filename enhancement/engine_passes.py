"""Has an engine transcribe pieces of a recording, whichever of the two kinds it is."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from dalston_realtime.protocol.jobs import SpokenWord
from engines.base import Chunk, Engine, Floats, Job, OutOfMemory, StreamingEngine, Transcript, UtteranceEngine
from enhancement.artifacts import HeardPiece
from enhancement.speech_pieces import SpeechPiece


class EnginePasses:
    """The forward passes of one job with one engine."""

    def __init__(self, engine: Engine, language: str | None = None) -> None:
        self._engine, self._language = engine, language
        self._has_times = bool(engine.info.features.get("word_timestamps"))
        self._streams = 0  # The number of the last stream.

    def transcribe(self, sounds: Sequence[Floats]) -> list[Transcript]:
        """The transcripts of pieces [n], in one pass, or in smaller ones where memory is short.

        Raises:
            OutOfMemory: not even one piece fits the device.
        """
        streaming = bool(self._engine.info.features.get("streaming"))
        one_pass = self._stream if streaming else self._decode
        try:
            return one_pass(sounds)
        except OutOfMemory:
            if len(sounds) == 1:
                raise
        half = len(sounds) // 2
        return [*self.transcribe(sounds[:half]), *self.transcribe(sounds[half:])]

    def _decode(self, sounds: Sequence[Floats]) -> list[Transcript]:
        engine = cast(UtteranceEngine, self._engine)
        rest = np.zeros(engine.rest, np.float32)
        return engine.transcribe(
            [
                Job(
                    np.concatenate((sound, rest)),
                    language=self._language,
                    word_timestamps=self._has_times,
                )
                for sound in sounds
            ]
        )

    def _stream(self, sounds: Sequence[Floats]) -> list[Transcript]:
        """Step through all pieces side by side."""
        engine = cast(StreamingEngine, self._engine)
        size = engine.chunk_samples
        first, self._streams = self._streams + 1, self._streams + len(sounds)
        found = [Transcript("") for _ in sounds]
        steps = [max(1, -(-len(sound) // size)) for sound in sounds]
        for step in range(max(steps)):
            rows = [row for row, count in enumerate(steps) if step < count]
            chunks = [
                Chunk(
                    first + row,
                    sounds[row][step * size : (step + 1) * size],
                    first=step == 0,
                    last=step + 1 == steps[row],
                    language=self._language,
                    word_timestamps=self._has_times,
                )
                for row in rows
            ]
            for row, transcript in zip(rows, engine.transcribe(chunks), strict=True):
                found[row] = transcript
        return found

    def heard_piece(self, piece: SpeechPiece, transcript: Transcript) -> HeardPiece | None:
        """What was heard in a piece, on the clock of the recording; None where nothing was."""
        text = " ".join(transcript.text.split())
        if not text:
            return None
        return HeardPiece(
            start=_seconds(piece.first),
            end=_seconds(piece.last),
            text=text,
            channel=piece.channel,
            words=_words(piece, transcript, text),
            speech=tuple((_seconds(first), _seconds(last)) for first, last in piece.speech),
            language=transcript.language or self._language,
            confidence=_rounded(transcript.confidence),
        )


def _words(piece: SpeechPiece, transcript: Transcript, text: str) -> tuple[SpokenWord, ...]:
    """The words with what the engine knows of them; none where it knows nothing."""
    offset = piece.first / SAMPLE_RATE
    if transcript.words:
        return tuple(
            SpokenWord(
                word=word.strip(),
                start=round(offset + start, 3),
                end=round(offset + end, 3),
                confidence=_rounded(confidence),
            )
            for word, start, end, confidence in transcript.words
        )
    words, sure = text.split(), transcript.word_probabilities
    if len(words) != len(sure):
        return ()
    return tuple(SpokenWord(word=word, confidence=_rounded(p)) for word, p in zip(words, sure, strict=True))


def _seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 3)
