"""Measures what recording adds to the way of a chunk in the gateway's event loop.

`python -m bench.scenarios.recording SESSIONS SECONDS` plays sessions of 100 ms chunks in one process, at the
pace of speech, with and without recording. The figure is the time that the loop needs for a chunk, and by how
much its timers come late, which shows what the writing thread takes from it.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import uvloop

from bench.measure.figures import percentile
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.sessions.recording import SessionRecording
from gateway.sessions.state import SessionState
from storage.recordings.service import RecordingService

CHUNK_S: Final = 0.1  # Seconds of a chunk, as clients send them.
CHUNK: Final = bytes(3_200)
TRIM_S: Final = 5.0  # Seconds of audio without a final that are kept, as of people who speak.
PERCENTILES: Final = (50, 99, 99.9)


class ChunkTimes:
    """Milliseconds for each chunk, and by which each timer was late."""

    def __init__(self) -> None:
        self.spent: list[float] = []
        self.late: list[float] = []

    def line(self, name: str) -> str:
        """A line of the report."""
        shown = [
            f"{percentile(values, p, 3):8.3f}" for values in (self.spent, self.late) for p in PERCENTILES
        ]
        return f"{name:16}{''.join(shown)}"


async def play(sessions: int, seconds: float, service: RecordingService | None) -> ChunkTimes:
    """Play sessions at the pace of speech, recorded where there is a service."""
    times = ChunkTimes()
    await asyncio.gather(*(_speak(number / sessions, seconds, service, times) for number in range(sessions)))
    return times


async def _speak(phase: float, seconds: float, service: RecordingService | None, times: ChunkTimes) -> None:
    loop = asyncio.get_running_loop()
    state = SessionState.new(f"{round(phase * 1e6):032x}", SessionConfig(store=service is not None))
    recording = SessionRecording(state, service) if service else None
    due = loop.time() + CHUNK_S * phase
    for _ in range(round(seconds / CHUNK_S)):
        await asyncio.sleep(due - loop.time())
        began = time.perf_counter()
        times.late.append(1000 * (loop.time() - due))
        state.replay.store_audio(CHUNK)
        state.replay.trim_before(state.replay.seconds - TRIM_S)
        times.spent.append(1000 * (time.perf_counter() - began))
        due += CHUNK_S
    if recording:
        recording.close(ended=True)


def main() -> None:
    """Measure without and with, in turns."""
    sessions, seconds = int(sys.argv[1]), float(sys.argv[2])
    print(f"{sessions} sessions, ms    spent: p50     p99   p99.9   late: p50     p99   p99.9")
    for _ in range(2):
        _measure("not recorded", play(sessions, seconds, None))
        with TemporaryDirectory(prefix="dalston-bench-") as folder:
            service = RecordingService(Path(folder))
            _measure("recorded", play(sessions, seconds, service))
            service.close(30.0)


def _measure(name: str, playing: Coroutine[None, None, ChunkTimes]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(playing).line(name), flush=True)


if __name__ == "__main__":
    main()
