"""The ASR stage: utterances' audio of many sessions in, hypotheses out, batched over the sessions."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
from pydantic import Field

from broker.records import ModelInfo
from stages.batcher import Batch, next_batch
from stages.channels import Packet
from stages.endpointer import samples
from stages.engines.base import Engine
from stages.errors import CloseCode
from stages.fanout import parse_fanout
from stages.listener import Listener
from stages.messages import (
    Audio,
    Close,
    Configure,
    Event,
    Flush,
    Hypothesis,
    Message,
    Open,
    Progress,
    SessionFailed,
    Silence,
    SpeechEnd,
    SpeechStart,
)
from stages.metrics import StageMetrics
from stages.runner import StageProcess, Stop, configure_logging, run_main
from stages.settings import WorkerSettings, read_settings

PROGRESS: Final = samples(250)  # the receiver hears this often how far the audio has been dealt with


class AsrStage:
    """Whenever the engine is free, the oldest and most urgent work of several sessions goes into it."""

    def __init__(
        self,
        engine: Engine,
        max_batch: int,
        partial_interval: int,
        clock: Callable[[], int],
        metrics: StageMetrics | None = None,
    ) -> None:
        self._engine, self._max_batch, self._interval = engine, max_batch, partial_interval
        self._clock, self._metrics = clock, metrics
        self._listeners: dict[str, Listener] = {}
        self._batch: Batch[Listener] | None = None

    @property
    def busy(self) -> bool:
        """Whether there is something to decode; looked at afresh each time."""
        works = (listener.waiting() for listener in self._listeners.values())
        self._batch = next_batch((w for w in works if w is not None), self._max_batch)
        return self._batch is not None

    def handle(self, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        """Take one message."""
        if isinstance(message, Open):
            yield from self._open(message)
        elif isinstance(message, SessionFailed):
            yield message, b""
        elif listener := self._listeners.get(getattr(message, "session", "")):
            yield from self._hear(listener, message, payload, now)
            yield from self._flush(listener)

    def work(self, now: int) -> Iterator[Packet]:
        """One forward pass over the next batch."""
        if self._batch is None and not self.busy:
            return
        assert self._batch is not None
        batch, self._batch = self._batch, None
        jobs = [listener.job(batch.kind) for listener in batch.items]
        before = self._clock()
        transcripts = self._engine.transcribe(jobs)
        spent = self._clock() - before
        self._measure(batch, spent)
        for listener, job, transcript in zip(batch.items, jobs, transcripts, strict=True):
            listener.take(batch.kind, job, transcript, spent)
            yield from self._flush(listener)

    def _open(self, message: Open) -> Iterator[Packet]:
        info = self._engine.info
        if message.model not in (info.variant, info.name):
            text = f"this worker has no model {message.model}; it has {info.variant} ({info.name})"
            yield (
                SessionFailed(message.session, message.route, CloseCode.NO_CAPACITY.error, text),
                b"",
            )
            return
        interim = message.interim_results and info.features["interim_results"]
        self._listeners[message.session] = Listener(
            message,
            self._interval,
            self._engine.longest_context,
            interim,
            message.start,
            message.start,
        )
        yield message, b""
        fields = session_begin(message, info)
        yield Event(message.session, message.route, "session.begin", fields, (), 0), b""

    def _hear(self, listener: Listener, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        match message:
            case Audio():
                listener.hear(message.start, payload, (*message.stamps, now), now)
            case Silence():
                listener.received = max(listener.received, message.end)
            case SpeechStart():
                listener.begin(message.utterance)
                yield message, b""
            case SpeechEnd():
                yield from self._speech_end(listener, message, now)
            case Flush():
                listener.say_in_order(replace(message, stamps=(*message.stamps, now)))
            case Configure():
                possible = self._engine.info.features["interim_results"]
                listener.interim_results = message.interim_results and possible
                listener.say_in_order(message)
            case Close():
                yield from self._close(listener, message, now)

    def _speech_end(self, listener: Listener, message: SpeechEnd, now: int) -> Iterator[Packet]:
        message = replace(message, stamps=(*message.stamps, now))
        if message.kind == "maybe":
            listener.maybe(message, now)
            return
        listener.finish(message, now)
        if message.kind != "cut":
            yield message, b""

    def _close(self, listener: Listener, message: Close, now: int) -> Iterator[Packet]:
        message = replace(message, stamps=(*message.stamps, now))
        if message.reason == "gone":
            del self._listeners[message.session]
            yield message, b""
        else:
            listener.say_in_order(message)

    def _flush(self, listener: Listener) -> Iterator[Packet]:
        """What may leave now, stamped; and how far the session has got."""
        for message, payload in listener.ready():
            if isinstance(message, Hypothesis | Flush | Close):
                yield replace(message, stamps=(*message.stamps, self._clock())), payload
            else:
                yield message, payload
            if isinstance(message, Close):
                del self._listeners[message.session]
        processed = listener.processed()
        if processed - listener.reported >= PROGRESS:
            listener.reported = processed
            yield Progress(listener.opened.session, listener.opened.route, processed), b""

    def _measure(self, batch: Batch[Listener], spent: int) -> None:
        if self._metrics is not None:
            kind = batch.kind.name.lower()
            self._metrics.inference.labels(kind).observe(spent / 1e9)
            self._metrics.batch.labels(kind, batch.reason).observe(len(batch.items))


def session_begin(opened: Open, info: ModelInfo) -> dict[str, Any]:
    """The fields of `session.begin`: what the client asked for, and what it gets."""
    features = info.features
    language = opened.language
    if language == "auto" and len(info.languages) == 1:
        language = info.languages[0]
    return {
        "session_id": opened.session,
        "model": info.name,
        "variant": info.variant,
        "language": language,
        "config": {
            "interim_results": opened.interim_results and features["interim_results"],
            "enable_vad": opened.enable_vad or features["requires_vad"],
            "word_timestamps": opened.word_timestamps and features["word_timestamps"],
            "min_silence_ms": opened.min_silence_ms,
            "vocabulary": list(opened.vocabulary) if features["vocabulary"] else [],
            "timing": opened.timing,
        },
        "features": dict(features),
    }


class AsrSettings(WorkerSettings):
    """What the ASR stage reads."""

    max_batch: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="sessions in one forward pass; unset: DALSTON_SESSIONS_PER_GPU",
    )
    partial_interval_ms: int = Field(
        200, ge=50, le=5000, description="milliseconds of new audio for which a partial is decoded"
    )
    asr_threads: int | None = Field(
        None,
        ge=1,
        le=256,
        description="CPU threads of one forward pass; unset: the cores shared out",
    )


def threads_for(settings: AsrSettings) -> int:
    """Threads of one engine: as set, else the cores shared among the ASR processes, at most 2.

    A second thread brings little for this size of model (measured), and other stages need the rest.
    """
    if settings.asr_threads is not None:
        return settings.asr_threads
    cores = len(os.sched_getaffinity(0))
    return max(1, min(2, cores // parse_fanout(settings.fanout)["asr"]))


def describe(models: Sequence[ModelInfo]) -> str:
    """Models as the receiver registers them: JSON."""
    return orjson.dumps(list(models)).decode()


def build(settings: AsrSettings, metrics: StageMetrics) -> tuple[AsrStage, Iterable[ModelInfo]]:
    """The stage with its engine loaded."""
    from stages.engines.moonshine import Moonshine

    engine = Moonshine(threads=threads_for(settings))
    stage = AsrStage(
        engine,
        settings.max_batch or settings.sessions_per_gpu,
        samples(settings.partial_interval_ms),
        time.monotonic_ns,
        metrics,
    )
    return stage, [engine.info]


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(AsrSettings)
    configure_logging("asr", settings.log_level)
    process = StageProcess("asr", settings, stop)
    stage, models = build(settings, process.metrics)
    process.run(stage, describe(list(models)))


if __name__ == "__main__":
    run_main("asr", main)
