"""Makes hypotheses of the audio of many sessions' utterances, in batches over the sessions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, cast

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import encode_event
from dalston_realtime.protocol.models import ModelInfo
from engines.base import Engine, Job, StreamingEngine, Transcript, UtteranceEngine
from engines.catalog import describe
from runtime.logs import get_logger
from stages.asr.batcher import Batch, Work, WorkKind, next_batch
from stages.asr.inference import Inference, LostStream, Result
from stages.asr.ordered_output import OrderedOutput
from stages.asr.pass_guard import PassGuard
from stages.asr.session_begin import session_begin
from stages.asr.streaming_session import StreamingSession, StreamProgress
from stages.asr.utterance_session import UtteranceSession
from stages.channels import Packet
from stages.endpoint_rules import samples
from stages.messages import (
    SPECULATIVE,
    Audio,
    AudioProcessed,
    Close,
    Configure,
    EncodedEvent,
    Flush,
    Hypothesis,
    Message,
    Open,
    SessionFailed,
    Silence,
    UtteranceEnd,
    UtteranceStart,
)
from stages.metrics import StageMetrics

MAX_FAILURES: Final = 3  # Utterances in a row that the engine fails on, then the session ends.
DEGRADED_INTERVALS: Final = 3
"""How many times longer the interval between the partials of a degraded session is. A worker takes half as
many sessions again beyond its slots: with a third of the partials they cost what a sixth more would."""

PROGRESS: Final = samples(250)  # Samples after which the receiver hears how far the audio is processed.

log = get_logger(__name__)

EngineSession: TypeAlias = UtteranceSession | StreamingSession


@dataclass(slots=True)
class ServedSession:
    """One session, the model that it asked for, and the engine that serves it."""

    session: EngineSession
    info: ModelInfo
    inference: Inference
    reported: int  # the receiver knows that all audio up to here has been dealt with
    failures: int = 0  # utterances in a row


class AsrStage:
    """Whenever the device is free, the most urgent work of several sessions goes into one engine.

    With several engines, the one whose work has waited longest is next; partials wait for all else.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        max_batch: int,
        partial_interval: int,
        clock: Callable[[], int],
        metrics: StageMetrics | None = None,
        guard: PassGuard | None = None,
    ) -> None:
        inferences = {id(engine): Inference(engine, max_batch, guard) for engine in engines.values()}
        self._inferences = list(inferences.values())
        self._models = [(info, inferences[id(engines[info.variant])]) for info in describe(engines)]
        self._interval, self._clock, self._metrics = partial_interval, clock, metrics
        self._sessions: dict[str, ServedSession] = {}
        self._waiting: dict[Inference, dict[str, Work[ServedSession]]] = {i: {} for i in self._inferences}

    def check_devices(self) -> None:
        """Have each engine transcribe silence once, before any session is served.

        Raises:
            DeviceLost: one of them can't.
        """
        for inference in self._inferences:
            inference.check_device()

    @property
    def max_batch(self) -> int:
        """Sessions in a forward pass, of the engine that takes fewest: its device may have no more room."""
        return min(inference.max_batch for inference in self._inferences)

    @property
    def busy(self) -> bool:
        """Whether there is something to decode."""
        return any(self._waiting.values())

    @property
    def patient(self) -> bool:
        """Whether all that is to be decoded can wait for a message that is just coming."""
        return all(work.patient for works in self._waiting.values() for work in works.values())

    def _update_waiting(self, served: ServedSession) -> None:
        """Note what waits in a session that something has happened to."""
        session, waiting = served.session.output.opened.session, self._waiting[served.inference]
        work = served.session.next_work() if session in self._sessions else None
        if work is None:
            waiting.pop(session, None)
        else:
            waiting[session] = Work(served, work.kind, work.since, work.yields, work.patient, work.alone)

    def handle(self, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        """Handle one message."""
        if isinstance(message, Open):
            yield from self._open(message)
        elif isinstance(message, SessionFailed):
            yield message, b""
        elif served := self._sessions.get(getattr(message, "session", "")):
            yield from self._handle(served, message, payload, now)
            yield from self._emit_ready(served)
            self._update_waiting(served)
        elif isinstance(message, Close):  # of a session from before this process: others have it still
            yield message, b""

    def work(self, now: int) -> Iterator[Packet]:
        """One forward pass over the next batch of the engine whose turn it is."""
        batches = ((i, next_batch(works.values(), i.max_batch)) for i, works in self._waiting.items())
        ready = [(inference, batch) for inference, batch in batches if batch is not None]
        if not ready:
            return
        inference, batch = min(ready, key=lambda pair: (pair[1].kind is WorkKind.PARTIAL, pair[1].since))
        jobs = [served.session.make_job(batch.kind) for served in batch.items]
        before = self._clock()
        last = batch.kind in (WorkKind.FINAL, WorkKind.SPECULATIVE)
        results = inference.run_last_batch(cast(list[Job], jobs)) if last else inference.run_batch(jobs)
        spent = self._clock() - before
        self._measure(batch, spent)
        for served, job, result in zip(batch.items, jobs, results, strict=True):
            yield from self._handle_result(served, batch.kind, job, result, spent)
            yield from self._emit_ready(served)
            self._update_waiting(served)

    def _handle_result(
        self, served: ServedSession, kind: WorkKind, job: Any, result: Result, spent: int
    ) -> Iterator[Packet]:
        if isinstance(result, Transcript):
            served.failures = 0
            served.session.handle_transcript(kind, job, result, spent)
            return
        if isinstance(result, LostStream) and cast(StreamingSession, served.session).feed_again():
            return
        served.failures += 1
        log.warning("an utterance is lost", session=served.session.output.opened.session_id, why=result.why)
        served.session.fail_work(kind, result.why)
        if served.failures >= MAX_FAILURES:
            opened = served.session.output.opened
            text = f"{MAX_FAILURES} utterances in a row could not be transcribed"
            yield SessionFailed(opened.session, opened.route, CloseCode.INTERNAL.error, text), b""

    def _open(self, message: Open) -> Iterator[Packet]:
        for info, inference in self._models:
            if info.answers_to(message.model):
                self._sessions[message.session] = self._serve(message, info, inference)
                yield message, b""
                if message.is_first:
                    begin = session_begin(message, info)
                    yield EncodedEvent(message.session, message.route, begin.type), encode_event(begin)
                return
        names = ", ".join(f"{info.variant} ({info.name})" for info, _ in self._models)
        text = f"this worker has no model {message.model}; it has {names}"
        failed = SessionFailed(message.session, message.route, CloseCode.NO_CAPACITY.error, text)
        yield failed, b""

    def _serve(self, opened: Open, info: ModelInfo, inference: Inference) -> ServedSession:
        engine, start, silence = inference.engine, opened.start, opened.min_silence_ms
        partials = info.features["interim_results"]
        interim = opened.interim_results and partials
        session: EngineSession
        if info.features["streaming"]:
            streaming = cast(StreamingEngine, engine)
            output = OrderedOutput[StreamProgress](opened, interim, silence)
            session = StreamingSession(output, streaming.chunk_samples, streaming.drop, start)
        else:
            decoding = cast(UtteranceEngine, engine)
            session = UtteranceSession(
                OrderedOutput(opened, interim, silence),
                self._interval * (DEGRADED_INTERVALS if opened.degraded else 1),
                decoding.longest_context,
                decoding.rest,
                start,
                partials,
            )
        return ServedSession(session, info, inference, start)

    def _handle(self, served: ServedSession, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        session = served.session
        match message:
            case Audio():
                session.append_utterance_audio(message.start, payload, (*message.stamps, now), now)
            case Silence():
                session.received = max(session.received, message.end)
            case UtteranceStart():
                session.begin_utterance(message.utterance, overlaps=message.overlaps)
                yield message, b""
            case UtteranceEnd():
                yield from self._speech_end(session, message, now)
            case Flush():
                session.output.emit(replace(message, stamps=(*message.stamps, now)))
            case Configure():
                session.output.configure(message, served.info)
            case Close():
                yield from self._close(session, message, now)

    def _speech_end(self, session: EngineSession, message: UtteranceEnd, now: int) -> Iterator[Packet]:
        message = replace(message, stamps=(*message.stamps, now))
        if message.kind in SPECULATIVE:
            session.expect_end(message, now)
            return
        session.end_utterance(message, now)
        if message.kind != "cut":
            yield message, b""

    def _close(self, session: EngineSession, message: Close, now: int) -> Iterator[Packet]:
        message = replace(message, stamps=(*message.stamps, now))
        if message.reason == "gone":
            session.close()
            del self._sessions[message.session]
            yield message, b""
        else:
            session.output.emit(message)

    def _emit_ready(self, served: ServedSession) -> Iterator[Packet]:
        """What may leave now, stamped; and how far the session has got."""
        session = served.session
        for message, payload in session.output.ready():
            if isinstance(message, Hypothesis | Flush | Close):
                yield replace(message, stamps=(*message.stamps, self._clock())), payload
            else:
                yield message, payload
            if isinstance(message, Close):
                del self._sessions[message.session]
        processed, opened = session.processed, session.output.opened
        if processed - served.reported >= PROGRESS:
            served.reported = processed
            yield AudioProcessed(opened.session, opened.route, processed), b""

    def _measure(self, batch: Batch[ServedSession], spent: int) -> None:
        if self._metrics is not None:
            kind = batch.kind.name.lower()
            self._metrics.inference.labels(kind).observe(spent / 1e9)
            self._metrics.batch.labels(kind, batch.reason).observe(len(batch.items))
            self._metrics.batch_limit.set(self.max_batch)
