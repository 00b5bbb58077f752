"""Makes of protocol events the finished JSON frames that the receiver writes to gateways."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import msgspec

from dalston_realtime.protocol import events
from dalston_realtime.protocol.close_codes import close_code
from dalston_realtime.protocol.events import ServerError, decode_event, encode_event
from dalston_realtime.protocol.timing import WORKER_STEPS
from stages.channels import Packet
from stages.messages import (
    AudioProcessed,
    Close,
    EncodedEvent,
    Frame,
    Message,
    Open,
    SessionFailed,
    Stamps,
    TextEnd,
)
from stages.metrics import StageMetrics


class SenderStage:
    """Turns events into frames. A partial that a newer event overtakes in the queue is dropped."""

    def __init__(self, clock: Callable[[], int], metrics: StageMetrics | None = None) -> None:
        self._clock, self._metrics = clock, metrics
        self._timed: set[str] = set()
        self._partials: dict[str, Packet] = {}  # newest of each session, not sent yet

    patient = False

    @property
    def busy(self) -> bool:
        """Whether a partial waits."""
        return bool(self._partials)

    def handle(self, message: Message, payload: bytes, now: int) -> Iterator[Packet]:
        """Handle one message."""
        match message:
            case Open(session=session, timing=True):
                self._timed.add(session)
            case EncodedEvent():
                yield from self._emit_event(message, payload, now)
            case SessionFailed(session=session):
                yield from self._release_partial(session)
                yield _failure_frame(message)
                yield message, b""
            case AudioProcessed() | TextEnd():
                yield message, b""
            case Close(session=session):
                self._timed.discard(session)
                self._partials.pop(session, None)

    def work(self, now: int) -> Iterator[Packet]:
        """Send the partials that nothing has overtaken."""
        partials, self._partials = self._partials, {}
        yield from partials.values()

    def _emit_event(self, event: EncodedEvent, payload: bytes, now: int) -> Iterator[Packet]:
        frame = self._make_frame(event, payload, (*event.stamps, now))
        if event.kind == "transcript.partial":
            self._drop_partial(event.session)
            self._partials[event.session] = frame
            return
        if event.kind == "transcript.final":
            self._drop_partial(event.session)
        yield from self._release_partial(event.session)
        yield frame

    def _drop_partial(self, session: str) -> None:
        if self._partials.pop(session, None) and self._metrics is not None:
            self._metrics.drops.labels("partial_overtaken").inc()

    def _release_partial(self, session: str) -> Iterator[Packet]:
        if packet := self._partials.pop(session, None):
            yield packet

    def _make_frame(self, event: EncodedEvent, payload: bytes, stamps: Stamps) -> Packet:
        times = timing((*stamps, self._clock()), event.inference_ns)
        self._measure(event.kind, times)
        if times and event.session in self._timed:
            if event.endpoint_wait is not None:
                times["endpoint_wait"] = event.endpoint_wait
            payload = _with_timing(payload, times)
        return Frame(event.session, event.kind), payload

    def _measure(self, kind: str, times: Mapping[str, float]) -> None:
        if self._metrics is None or not times:
            return
        for step, ms in times.items():
            self._metrics.stage_seconds.labels(step).observe(ms / 1000)
        if kind == "transcript.final":
            self._metrics.final_seconds.observe(times["total"] / 1000)


def _with_timing(payload: bytes, times: dict[str, float]) -> bytes:
    """The event with its times, if it is one of those that have any."""
    event = decode_event(payload)
    if not isinstance(event, events.Partial | events.Final):
        return payload
    return encode_event(msgspec.structs.replace(event, timing=times))


def _failure_frame(failed: SessionFailed) -> Packet:
    code = close_code(failed.code).error
    event = ServerError(code=code, message=failed.message, recoverable=False)
    return Frame(failed.session, event.type), encode_event(event)


def timing(stamps: Stamps, inference_ns: int) -> dict[str, float]:
    """Milliseconds that a result spent in each step, from its stamps; empty if they are not complete.

    The ASR stage's own stamps hold its queue and its inference together; the inference is known apart.
    """
    if len(stamps) != len(WORKER_STEPS) + 1:
        return {}
    spent = {step: b - a for step, (a, b) in zip(WORKER_STEPS, pairwise(stamps), strict=True)}
    spent["asr_queue"] += spent["asr"] - inference_ns
    spent["asr"] = inference_ns
    spent["total"] = stamps[-1] - stamps[0]
    return {step: round(ns / 1e6, 3) for step, ns in spent.items()}
