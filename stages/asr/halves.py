"""Decodes in halves what a model does not end by itself, and long repetitions, of which it loses count.

A model that writes until its limit repeats itself, or somebody has said the same word many times. Which of
the two it is shows when less of it is decoded at once: the model ends a short piece of real repetitions. It
also counts them: of 276 words in series of 8 to 80 Moonshine tiny hears 170 where up to 11 s are decoded at
once, and 275 in halves (measured).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats, Job, Transcript
from stages.alignment import normal

SHORTEST: Final = (
    SAMPLE_RATE * 3 // 4
)  # Samples: a half is no shorter, since its few words end by themselves.
FASTEST: Final = (
    6.0  # Words in a second: nobody says more over seconds, so a model that writes more repeats itself.
)
SERIES: Final = 6  # Words: fewer repetitions are counted rightly (measured: "no" and "yes", up to 8 times).
LONGEST_PERIOD: Final = 3  # Words that are repeated together.
TIMES: Final = 2  # Times that they are there behind the first.
BLOCK: Final = SAMPLE_RATE // 50  # Samples whose loudness is compared.

Decode: TypeAlias = Callable[[Sequence[Job]], Sequence[Any]]
"""Gives a transcript for each job, or something else where the engine can't do it."""


def is_series(words: Sequence[str]) -> bool:
    """Whether some words are said so often in a row that a model may have lost count."""
    said = [normal(word) for word in words]
    for period in range(1, LONGEST_PERIOD + 1):
        length = max(SERIES - period, TIMES * period)
        run = 0
        for word, before in zip(said[period:], said, strict=False):
            run = run + 1 if word == before else 0
            if run >= length:
                return True
    return False


def is_endless(transcript: Transcript, job: Job) -> bool:
    """Whether the model did not end the text, or wrote more words than can be said."""
    words = len(transcript.text.split())
    return transcript.cut_off or words > FASTEST * (len(job.audio) / SAMPLE_RATE + 1)


def decode_in_halves(job: Job, transcript: Transcript, rest: int, decode: Decode) -> Transcript:
    """The transcript of a job, from as many pieces as it takes for the model to end each by itself.

    `rest` are the samples of silence that the model needs behind a piece.
    """
    is_sure = not is_endless(transcript, job) and not is_series(transcript.text.split())
    if job.prefix or is_sure or len(job.audio) < 2 * SHORTEST:
        return transcript
    at = quietest(job.audio)
    silence = np.zeros(rest, np.float32)
    halves = [np.concatenate([job.audio[:at], silence]), job.audio[at:]]
    jobs = [replace(job, audio=audio, draft=()) for audio in halves]
    heard = decode(jobs)
    if not all(isinstance(each, Transcript) for each in heard):
        return transcript
    first, second = (
        decode_in_halves(each, said, rest, decode) for each, said in zip(jobs, heard, strict=True)
    )
    return _joined(first, second, at / SAMPLE_RATE)


def quietest(audio: Floats) -> int:
    """The sample in the middle third of the audio at which it is quietest."""
    third = len(audio) // 3
    return quietest_between(audio, third, 2 * third)


def quietest_between(audio: Floats, low: int, high: int) -> int:
    """The middle of the quietest 20 ms, of all whole ones from sample `low` on and before `high`."""
    blocks = audio[low : low + (high - low) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return low + int(np.square(blocks).sum(axis=1).argmin()) * BLOCK + BLOCK // 2


def _joined(first: Transcript, second: Transcript, seconds: float) -> Transcript:
    later = tuple((word, a + seconds, b + seconds, sure) for word, a, b, sure in second.words)
    timed = all(each.words or not each.text for each in (first, second))
    return replace(
        second,
        text=f"{first.text} {second.text}".strip(),
        tokens=(*first.tokens, *second.tokens),
        cut_off=first.cut_off or second.cut_off,
        words=(*first.words, *later) if timed else (),
    )
