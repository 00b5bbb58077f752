"""Runs a worker that says which marks it finds in the audio, for each flush, in a process of its own.

`python -m tests.support.attacks.word_worker SLOTS`, at the Redis of the settings.
"""

import asyncio
import sys

import numpy as np

from bench.servers.fake_worker import WorkerVisit, fake_worker, read_message
from engines.marked import read_marks
from runtime.process import Stop, run_main
from runtime.settings import Settings, read_settings


async def say_marks(visit: WorkerVisit) -> None:
    """A final with the marks since the last one for each flush, and all of them at the end."""
    await visit.begin()
    resume = visit.request.resume  # The worker before was lost, or slow.
    heard = 2 * resume.clock if resume else 0
    audio, utterance, words = bytearray(), resume.utterance if resume else 1, list[str]()
    async for frame in visit.connection:
        if isinstance(frame, bytes):
            audio += frame
            heard += len(frame)
            await visit.event("progress", processed=heard / 32_000)
            continue
        message = read_message(frame)
        if message["type"] not in ("flush", "end"):
            continue
        found = [
            f"{number:05}"
            for number in read_marks(np.frombuffer(audio, "<i2").astype(np.float32) / np.float32(32768))
        ]
        audio, words = bytearray(), words + found
        if message["type"] == "flush":
            times = {"start": heard / 32_000, "end": heard / 32_000}
            text = " ".join(found)
            flush_id = message["id"]
            await visit.event("transcript.final", utterance=utterance, text=text, flush_id=flush_id, **times)
            utterance += 1
        if message["type"] == "end":
            seconds, transcript = heard / 32_000, " ".join(words)
            await visit.event("session.end", audio_duration=seconds, transcript=transcript, segments=[])
            return


async def serve(redis_url: str, slots: int, stop: Stop) -> None:
    """Serve until the signal."""
    async with fake_worker(redis_url, say_marks, "words", slots):
        await stop.wait(asyncio.get_running_loop().create_future())


def main() -> None:
    """Run until the signal."""
    stop = Stop()
    asyncio.run(serve(read_settings(Settings).redis, int(sys.argv[1]), stop))


if __name__ == "__main__":
    run_main("words", main)
