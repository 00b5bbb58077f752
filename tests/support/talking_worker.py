"""Answers audio as a worker with a model would: partials with a stable part, finals, timings."""

from typing import Any, Final

from tests.support.fake_worker import WorkerVisit, read_message

PARTIAL_S: Final = 0.25  # Seconds of audio between two partials.
FINAL_S: Final = 1.0  # Seconds of audio of an utterance.
TIMING: Final = {
    "receiver": 1.0,
    "vad_queue": 2.0,
    "vad": 4.0,
    "asr_queue": 9.0,
    "asr": 81.0,
    "assembler": 1.0,
}
BYTES_PER_SAMPLE: Final = 2


async def talker(visit: WorkerVisit) -> None:
    """Say `second N.`, or a phrase of the vocabulary, for each second; begin where the worker began."""
    await visit.begin()
    resume = visit.request.resume
    heard = resume.clock / 16_000 if resume else 0.0
    number = resume.utterance if resume else 1
    partial = heard
    rate = visit.request.config.sample_rate * BYTES_PER_SAMPLE * visit.request.config.channels
    async for frame in visit.connection:
        if isinstance(frame, str):
            if read_message(frame).get("type") == "end":
                await visit.event("session.end", transcript="?", audio_duration=heard, speech_duration=heard)
                await visit.connection.close(1000)
                return
            continue
        heard += len(frame) / rate
        await visit.event("progress", processed=heard)
        while number <= int(heard):
            await _say(visit, number)
            number, partial = number + 1, float(number)
        if heard - partial >= PARTIAL_S:
            partial = heard
            text = _text(visit, number)[:-1]
            about: dict[str, Any] = {"start": number - 1.0, "end": heard, "stable": 7, "timing": TIMING}
            await visit.event("transcript.partial", utterance=number, text=text, **about)


async def _say(visit: WorkerVisit, number: int) -> None:
    start, end = number - FINAL_S, float(number)
    await visit.event("vad.speech_start", timestamp=start)
    about: dict[str, Any] = {"start": start, "end": end, "timing": TIMING | {"endpoint_wait": 300.0}}
    await visit.event("transcript.final", utterance=number, text=_text(visit, number), **about)


def _text(visit: WorkerVisit, number: int) -> str:
    phrases = visit.request.config.vocabulary
    return phrases[(number - 1) % len(phrases)] if phrases else f"second {number}."
