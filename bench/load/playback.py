"""One recording through one session in real time; what came back, and when."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.load.recordings import BYTES_PER_SECOND, Recording
from bench.measure.score import CHUNK_S, Playback, Shown
from dalston_realtime.client import Event
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.errors import ClientError
from dalston_realtime.client.results.transcript import Sample, timing_sample
from dalston_realtime.client.session import LiveSession, transcribe_stream
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import Partial, SessionEnd
from dalston_realtime.protocol.parameters import MinSilence

TAIL_S: Final = 1.5  # s of silence behind the recording: a server that waits for one gets it
CHUNKS: Final = 10  # in a second
END_WAIT_S: Final = 12.0  # until the server's own end


@dataclass(frozen=True, slots=True)
class Target:
    """The server to play to, and how. `flush_after` is in seconds behind the end of speech."""

    url: str
    model: str = "fast"
    flush_after: float | None = None
    min_silence_ms: MinSilence | None = None


@dataclass(slots=True)
class DisplayedText:
    """What a client that shows finals and partials has on its screen, over time."""

    shown: list[Shown] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    finals: dict[int | None, str] = field(default_factory=dict)

    def take(self, event: Event, at: float, round_trip: float | None) -> None:
        """Show an event that came `at` seconds after the first sample."""
        if isinstance(event, FinalEvent):
            self.finals[event.utterance] = event.text
        if isinstance(event, FinalEvent | Partial | SessionEnd):
            partial = event.text if isinstance(event, Partial) else ""
            text = " ".join(each.strip() for each in self.finals.values() if each.strip())
            self._show(Shown(at, text, partial.strip()))
        if (sample := timing_sample(event, round_trip)) is not None:
            self.samples.append(sample)

    def _show(self, new: Shown) -> None:
        last = self.shown[-1] if self.shown else None
        if last is None or (last.final, last.partial) != (new.final, new.partial):
            self.shown.append(new)


@dataclass(slots=True)
class Playlist:
    """One recording on its way: when its first sample was there, and how late the latest chunk left."""

    start: float
    late: float = 0.0
    screen: DisplayedText = field(default_factory=DisplayedText)


@dataclass(slots=True)
class Player:
    """Plays recordings to one server; `clock` is in seconds, `began` is its time when the run began.

    `progress` is called after each second of audio, or of the silence behind it.
    """

    target: Target
    began: float
    clock: Callable[[], float] = time.monotonic
    tail_s: float = TAIL_S
    progress: Callable[[float], None] = lambda seconds: None

    async def play(self, session: int, recording: Recording) -> tuple[Playback, list[Sample]]:
        """Play one recording; what goes wrong is part of the result."""
        course, error = Playlist(self.clock()), None
        try:
            await self.run(recording, course)
        except ClientError as failure:
            error = str(failure)
        connected, screen = self.clock() - course.start, course.screen
        began, finals = course.start - self.began, tuple(screen.finals.values())
        shown = tuple(screen.shown)
        played = Playback(session, recording, began, shown, course.late, connected, error, finals)
        return played, screen.samples

    async def run(self, recording: Recording, course: Playlist) -> None:
        """Play one recording through a session of its own.

        Raises:
            ClientError: it does not begin, breaks off, or does not end.
        """
        async with transcribe_stream(
            self.target.url,
            model=self.target.model,
            min_silence_ms=self.target.min_silence_ms,
            timing=True,
        ) as stream:
            course.start = self.clock()
            try:
                await self._both(stream, recording, course)
            except TimeoutError:
                raise ClientError(f"no end within {END_WAIT_S:.0f} s") from None

    async def _both(self, stream: LiveSession, recording: Recording, course: Playlist) -> None:
        """Send and receive side by side; the first failure ends both."""
        limit = recording.seconds + self.tail_s + END_WAIT_S
        async with asyncio.timeout(limit):
            sending = asyncio.create_task(self._send(stream, recording, course))
            try:
                async for event in stream:
                    course.screen.take(event, self.clock() - course.start, stream.round_trip)
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, stream: LiveSession, recording: Recording, course: Playlist) -> None:
        flush_at = self.target.flush_after
        flush_at = None if flush_at is None else recording.speech_end + flush_at
        for number, chunk in enumerate(chunks(recording.pcm, self.tail_s), 1):
            due = course.start + number * CHUNK_S
            await asyncio.sleep(max(0.0, due - self.clock()))
            course.late = max(course.late, self.clock() - due)
            await stream.send(chunk)
            if number % CHUNKS == 0:
                self.progress(CHUNKS * CHUNK_S)
            if flush_at is not None and number * CHUNK_S >= flush_at:
                flush_at = None
                await stream.flush("bench")
        await stream.end()


def chunks(pcm: bytes, tail_s: float) -> Iterator[bytes]:
    """The recording and the silence behind it in chunks of 100 ms."""
    whole = pcm + bytes(round(tail_s * BYTES_PER_SECOND / 2) * 2)
    for at in range(0, len(whole), CHUNK_BYTES):
        yield whole[at : at + CHUNK_BYTES]
