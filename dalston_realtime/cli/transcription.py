"""One session from its first chunk to its last event, shown while it runs."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dalston_realtime.cli.display.phrases import ignored
from dalston_realtime.cli.display.view import TranscriptView
from dalston_realtime.cli.options import StreamRequest
from dalston_realtime.client.errors import ClientError
from dalston_realtime.client.events import SessionBegin
from dalston_realtime.client.results.transcript import Sample, SessionTranscript, timing_sample
from dalston_realtime.client.session import transcribe_stream
from dalston_realtime.client.streaming import Feed

GRACE = 5.0  # s after Ctrl-C for what was said to be transcribed


@dataclass(frozen=True, slots=True)
class Source:
    """Audio with a name: mono s16le at `sample_rate`; `duration` in seconds where it is known."""

    name: str
    audio: AsyncIterator[bytes]
    duration: float | None = None
    sample_rate: int = 16_000


@dataclass(slots=True)
class Outcome:
    """What came of one session; `error` is what ended it early."""

    transcript: SessionTranscript = field(default_factory=SessionTranscript)
    samples: list[Sample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: ClientError | None = None
    interrupted: bool = False


async def follow(source: Source, request: StreamRequest, view: TranscriptView) -> Outcome:
    """Transcribe `source`; errors are in the outcome, beside what was transcribed before them."""
    outcome = Outcome()
    view.begin(source.name, source.duration)
    try:
        await _follow(source, request, view, outcome)
    except ClientError as error:
        outcome.error = error
    finally:
        view.close()
    return outcome


async def _follow(source: Source, request: StreamRequest, view: TranscriptView, outcome: Outcome) -> None:
    bytes_per_second = 2 * source.sample_rate
    async with transcribe_stream(
        request.url, model=request.model, sample_rate=source.sample_rate, **request.options
    ) as session:
        feed = Feed(session, source.audio, lambda sent: view.progress(sent / bytes_per_second))
        with _interruptible(feed.stop, outcome):
            async for event in feed.events():
                view.show(event)
                outcome.transcript.add(event)
                if isinstance(event, SessionBegin):
                    outcome.notes += ignored(event, request.options)
                if (sample := timing_sample(event, session.round_trip)) is not None:
                    outcome.samples.append(sample)


@contextmanager
def _interruptible(stop: Callable[[], None], outcome: Outcome) -> Iterator[None]:
    """The first Ctrl-C stops the audio; a second one, or `GRACE` seconds, ends the waiting."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    deadlines: list[asyncio.TimerHandle] = []

    def interrupt() -> None:
        if outcome.interrupted:
            task.cancel()
            return
        outcome.interrupted = True
        deadlines.append(loop.call_later(GRACE, task.cancel))
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
