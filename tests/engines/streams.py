"""Plays utterances as streams through a streaming engine."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from engines.base import Chunk, Floats, StreamingEngine, Transcript

numbers = count(1)


def chunks(engine: StreamingEngine, audio: Floats, **options: Any) -> list[Chunk]:
    """An utterance as a stream."""
    stream, size = next(numbers), engine.chunk_samples
    starts = range(0, max(1, len(audio)), size)
    return [
        Chunk(stream, audio[at : at + size], at == 0, at + size >= len(audio), **options) for at in starts
    ]


def play(engine: StreamingEngine, streams: Sequence[list[Chunk]], together: int = 1) -> list[Transcript]:
    """The finals of streams, so many in a step; where one ends the next begins."""
    finals: dict[int, Transcript] = {}
    waiting = [iter(stream) for stream in streams]
    active, waiting = waiting[:together], waiting[together:]
    while active:
        jobs = [next(stream) for stream in active]
        for job, transcript in zip(jobs, engine.transcribe(jobs), strict=True):
            if job.last:
                finals[job.stream] = transcript
        active = [stream for stream, job in zip(active, jobs, strict=True) if not job.last]
        active, waiting = active + waiting[: together - len(active)], waiting[together - len(active) :]
    return [finals[stream[0].stream] for stream in streams]


def alone(engine: StreamingEngine, audio: Floats, **options: Any) -> Transcript:
    """What an utterance gives by itself."""
    (final,) = play(engine, [chunks(engine, audio, **options)])
    return final
