"""Plays one recording through one session in real time, and records what comes back and when."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.load.chunks import CHUNK_S, TAIL_S, chunks
from bench.load.playback import Playback, PlaybackProgress
from bench.recordings.recording import Recording
from dalston_realtime.client.errors import ClientError
from dalston_realtime.client.results.transcript import Sample
from dalston_realtime.client.session import LiveSession, transcribe_stream
from dalston_realtime.protocol.parameters import MinSilence

CHUNKS_PER_SECOND: Final = 10  # Progress is reported after each second of audio.
END_WAIT_S: Final = 12.0  # Seconds to wait for the session's end; a result that comes so late has failed.


@dataclass(frozen=True, slots=True)
class PlaybackTarget:
    """The server to play to, and the options of each session.

    The client flushes `flush_after` seconds behind the end of speech; None: it does not flush.
    """

    url: str
    model: str = "fast"
    flush_after: float | None = None
    min_silence_ms: MinSilence | None = None


@dataclass(slots=True)
class Player:
    """Plays recordings to one server; `clock` is in seconds, `began` is its time when the run began.

    `progress` is called after each second of audio, or of the silence behind it.
    """

    target: PlaybackTarget
    began: float
    clock: Callable[[], float] = time.monotonic
    tail_s: float = TAIL_S
    progress: Callable[[float], None] = lambda seconds: None

    async def play(self, session: int, recording: Recording) -> tuple[Playback, list[Sample]]:
        """Play one recording; what goes wrong is part of the result."""
        running, error = PlaybackProgress(self.clock()), None
        try:
            await self.run(recording, running)
        except ClientError as failure:
            error = str(failure)
        playback = Playback(
            session,
            recording,
            began=running.start - self.began,
            displayed=tuple(running.display.history),
            client_late=running.late,
            connected=self.clock() - running.start,
            error=error,
            finals=tuple(running.display.finals.values()),
        )
        return playback, running.display.samples

    async def run(self, recording: Recording, running: PlaybackProgress) -> None:
        """Play one recording through a session of its own.

        Raises:
            ClientError: the session does not begin, breaks off, or does not end.
        """
        async with transcribe_stream(
            self.target.url,
            model=self.target.model,
            min_silence_ms=self.target.min_silence_ms,
            timing=True,
        ) as stream:
            running.start = self.clock()
            try:
                await self._send_and_receive(stream, recording, running)
            except TimeoutError:
                raise ClientError(f"no end within {END_WAIT_S:.0f} s") from None

    async def _send_and_receive(
        self, stream: LiveSession, recording: Recording, running: PlaybackProgress
    ) -> None:
        """Send and receive side by side; the first failure ends both."""
        limit = recording.seconds + self.tail_s + END_WAIT_S
        async with asyncio.timeout(limit):
            sending = asyncio.create_task(self._send(stream, recording, running))
            try:
                async for event in stream:
                    running.display.show_event(event, self.clock() - running.start, stream.round_trip)
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, stream: LiveSession, recording: Recording, running: PlaybackProgress) -> None:
        flush_at = self.target.flush_after
        flush_at = None if flush_at is None else recording.speech_end + flush_at
        for number, chunk in enumerate(chunks(recording.pcm, self.tail_s), 1):
            due = running.start + number * CHUNK_S
            await asyncio.sleep(max(0.0, due - self.clock()))
            running.late = max(running.late, self.clock() - due)
            await stream.send(chunk)
            if number % CHUNKS_PER_SECOND == 0:
                self.progress(CHUNKS_PER_SECOND * CHUNK_S)
            if flush_at is not None and number * CHUNK_S >= flush_at:
                flush_at = None
                await stream.flush("bench")
        await stream.end()
