"""Speaks to a server at the pace of speech, and notes what came of it and when."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from dalston_realtime.client import Final as FinalEvent
from dalston_realtime.client import Partial, ServerWarning, SessionEnd, transcribe_stream
from engines.marked import spoken_marks
from tests.support.chaos.spoken import Speech
from tests.support.system_sessions import chunks, paced

RESUME_S: Final = 60.0  # Seconds for which a client tries to come back.


@dataclass
class HeardSession:
    """What one client got of its speech, and when; times are monotonic seconds."""

    speech: Speech
    enable_vad: bool
    begun: float = 0.0
    finals: list[str] = field(default_factory=list)
    results: list[float] = field(default_factory=list)
    utterances: list[int] = field(default_factory=list)
    transcript: str = ""
    warnings: Counter[str] = field(default_factory=Counter)

    def lost_marks(self) -> list[float]:
        """When each mark was said that is not in the transcript."""
        found = set(spoken_marks(self.transcript))
        return [self.begun + at for number, at in enumerate(self.speech.marks) if number not in found]

    def doubled_marks(self) -> list[float]:
        """When each mark was said that the transcript has once more than it should, or at a wrong place."""
        numbers = spoken_marks(self.transcript)
        return [self.begun + self.speech.marks[b] for a, b in pairwise([-1, *numbers]) if b <= a]

    @property
    def faults(self) -> int:
        """Marks that were lost or doubled."""
        return len(self.lost_marks()) + len(self.doubled_marks())

    def longest_pause(self, since: float, until: float) -> tuple[float, float]:
        """The longest time without a result while this client spoke that touches these times; its begin."""
        gaps = [
            (b - a - self.speech.pause_within(a - self.begun, b - self.begun), a)
            for a, b in pairwise(self.results)
            if a < until and b > since
        ]
        return max(gaps, default=(0.0, 0.0))


async def listen(
    url: str, speech: Speech, *, enable_vad: bool, enough: asyncio.Event | None = None
) -> HeardSession:
    """One client's session: at the pace of speech until it is enough, else all of it at once."""
    heard = HeardSession(speech, enable_vad)
    async with transcribe_stream(url, resume_for=RESUME_S, enable_vad=enable_vad) as session:

        async def speak() -> None:
            heard.begun, sent = time.monotonic(), 0
            async for chunk in paced(speech.pcm) if enough else _at_once(speech.pcm):
                await session.send(chunk)
                sent += len(chunk)
                if enough and enough.is_set():
                    break
            heard.speech = speech.cut(sent)
            await session.end()

        speaking = asyncio.create_task(speak())
        async for event in session:
            _note(heard, event)
        await speaking
    return heard


async def _at_once(pcm: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks(pcm):
        yield chunk


def _note(heard: HeardSession, event: object) -> None:
    if isinstance(event, FinalEvent | Partial):
        heard.results.append(time.monotonic())
    if isinstance(event, FinalEvent):
        heard.finals.append(event.text)
        heard.utterances.append(event.utterance or 0)
    if isinstance(event, ServerWarning):
        heard.warnings[event.code] += 1
    if isinstance(event, SessionEnd):
        heard.transcript = event.transcript or ""
