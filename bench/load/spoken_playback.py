"""Plays a spoken case to the stages in this process, or to a running server, and returns all events."""

import asyncio
import random
from typing import Final

from bench.load.chunks import CHUNK_S, TAIL_S
from bench.load.player import END_WAIT_S, PlaybackTarget
from bench.load.session_replay import PassTimes, SessionReplay
from bench.recordings.spoken_case import SpokenCase
from dalston_realtime.client import Event
from dalston_realtime.client.errors import ClientError
from dalston_realtime.client.session import LiveSession, transcribe_stream
from dalston_realtime.protocol.parameters import MinSilence, SessionConfig
from engines.base import Engine
from stages.vad.speech_guard import Vad

FLUSH: Final = "push-to-talk"  # The id of the flush where the button is released.
BETWEEN_S: Final = 0.3  # Seconds without audio between a flush and the silence behind it.


def replay_case(
    case: SpokenCase, vad: Vad, engine: Engine, model: str, silence: MinSilence | None, seed: int
) -> list[Event]:
    """Play a case through the stages on a simulated clock; `seed` draws how long the passes take."""
    config = SessionConfig(
        model=model,
        sample_rate=case.rate,
        enable_vad=case.enable_vad,
        min_silence_ms=silence or SessionConfig().min_silence_ms,
    )
    times = PassTimes(draw=random.Random(f"{case.name} {seed}"))  # noqa: S311 - no secret
    session = SessionReplay(vad, engine, config, times)
    session.play(case.pcm)
    if case.ending == "flush":
        session.flush(FLUSH)
        session.wait(BETWEEN_S)
    if case.ending != "end":
        session.play_silence(TAIL_S)
    session.end()
    return [timed.event for timed in session.events]


async def play_case(case: SpokenCase, target: PlaybackTarget) -> list[Event]:
    """Play a case to a server in real time.

    Raises:
        ClientError: the session does not begin, breaks off, or does not end.
    """
    async with transcribe_stream(
        target.url,
        model=target.model,
        sample_rate=case.rate,
        enable_vad=case.enable_vad,
        min_silence_ms=target.min_silence_ms,
    ) as stream:
        try:
            async with asyncio.timeout(case.seconds + TAIL_S + END_WAIT_S):
                return await _send_and_receive(stream, case)
        except TimeoutError:
            raise ClientError(f"no end within {END_WAIT_S:.0f} s") from None


async def _send_and_receive(stream: LiveSession, case: SpokenCase) -> list[Event]:
    sending = asyncio.create_task(_send_case(stream, case))
    try:
        events = [event async for event in stream]
        await sending
        return events
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send_case(stream: LiveSession, case: SpokenCase) -> None:
    await _send_in_real_time(stream, case.pcm, case.rate)
    if case.ending == "flush":
        await stream.flush(FLUSH)
        await asyncio.sleep(BETWEEN_S)
    if case.ending != "end":
        await _send_in_real_time(stream, bytes(2 * round(TAIL_S * case.rate)), case.rate)
    await stream.end()


async def _send_in_real_time(stream: LiveSession, pcm: bytes, rate: int) -> None:
    loop = asyncio.get_running_loop()
    start, size = loop.time(), 2 * round(CHUNK_S * rate)
    for at in range(0, len(pcm), size):
        chunk = pcm[at : at + size]
        await asyncio.sleep(max(0.0, start + (at + len(chunk)) / 2 / rate - loop.time()))
        await stream.send(chunk)
