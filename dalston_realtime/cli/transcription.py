"""Transcribes one piece of audio in one session, and shows the events while they come."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from dalston_realtime.cli.display.phrases import notes_on_ignored
from dalston_realtime.cli.display.view import TranscriptView
from dalston_realtime.cli.options import StreamRequest
from dalston_realtime.client.connection.received_event import ReceivedEvent
from dalston_realtime.client.errors import ClientError
from dalston_realtime.client.results.transcript import Sample, SessionTranscript, timing_sample
from dalston_realtime.client.session import transcribe_stream
from dalston_realtime.client.streaming import AudioStreamer
from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from dalston_realtime.protocol.events import SessionBegin

GRACE_S: Final = 5.0  # Seconds after Ctrl-C in which the rest of what was said may still be transcribed.


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Audio with a name: s16le at `sample_rate`, or in the encoding that is asked for.

    `duration` is in seconds, where it is known.
    """

    name: str
    audio: AsyncIterator[bytes]
    duration: float | None = None
    sample_rate: int = SAMPLE_RATE
    channels: int = 1


@dataclass(slots=True)
class Outcome:
    """What came of one session; `error` is what ended it early."""

    transcript: SessionTranscript = field(default_factory=SessionTranscript)
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: ClientError | None = None
    interrupted: bool = False


async def transcribe_source(source: AudioSource, request: StreamRequest, view: TranscriptView) -> Outcome:
    """Transcribe `source`; errors are in the outcome, beside what was transcribed before them."""
    outcome = Outcome()
    view.start(source.name, source.duration)
    try:
        await _run_session(source, request, view, outcome)
    except ClientError as error:
        outcome.error = error
    finally:
        view.close()
    return outcome


async def _run_session(
    source: AudioSource, request: StreamRequest, view: TranscriptView, outcome: Outcome
) -> None:
    options = request.options.copy()
    is_samples = options.get("encoding") is None
    bytes_per_second = BYTES_PER_SAMPLE * source.sample_rate * source.channels

    def show_progress(sent: int) -> None:
        if is_samples:
            view.show_progress(sent / bytes_per_second)

    if source.channels > 1:
        options["channels"] = source.channels
    async with transcribe_stream(
        request.url, model=request.model, sample_rate=source.sample_rate, **options
    ) as session:
        streamer = AudioStreamer(session, source.audio, show_progress)
        with _interruptible(streamer.stop_audio, outcome):
            async for received in streamer.received():
                view.show(received)
                _record(received, session.round_trip, request, outcome)


def _record(
    received: ReceivedEvent, round_trip: float | None, request: StreamRequest, outcome: Outcome
) -> None:
    """Keep what the outcome needs of an event."""
    event = received.event
    outcome.transcript.append(received)
    if isinstance(event, SessionBegin):
        outcome.notes += notes_on_ignored(event, request.options)
    if (sample := timing_sample(event, round_trip)) is not None:
        outcome.samples.append(sample)


@contextmanager
def _interruptible(stop: Callable[[], None], outcome: Outcome) -> Iterator[None]:
    """The first Ctrl-C stops the audio; a second one, or `GRACE_S` seconds, ends the waiting."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    deadlines: list[asyncio.TimerHandle] = []

    def interrupt() -> None:
        if outcome.interrupted:
            task.cancel()
            return
        outcome.interrupted = True
        deadlines.append(loop.call_later(GRACE_S, task.cancel))
        stop()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if not outcome.interrupted:
            raise
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for deadline in deadlines:
            deadline.cancel()
