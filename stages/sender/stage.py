"""The sender: protocol events in, finished JSON frames for the receiver out."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import orjson

from dalston_realtime.protocol.close_codes import close_code
from runtime.logs import configure_logging
from runtime.process import Stop
from runtime.settings import read_settings
from stages.channels import Packet
from stages.messages import Close, Event, Frame, Message, Open, Progress, SessionFailed, Stamps, TextEnd
from stages.metrics import StageMetrics
from stages.process import StageProcess
from stages.settings import WorkerSettings

STEPS: Final = (
    "receiver",
    "vad_queue",
    "vad",
    "asr_queue",
    "asr",
    "assembler_queue",
    "assembler",
    "sender_queue",
    "sender",
)
"""What lies between two stamps of a result, in data-flow order."""


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
        """Take one message."""
        match message:
            case Open(session=session, timing=True):
                self._timed.add(session)
            case Event(session=session):
                yield from self._event(message, now)
            case SessionFailed(session=session):
                yield from self._pass(session)
                yield self._error(message)
                yield message, b""
            case Progress() | TextEnd():
                yield message, b""
            case Close(session=session):
                self._timed.discard(session)
                self._partials.pop(session, None)

    def work(self, now: int) -> Iterator[Packet]:
        """Send the partials that nothing has overtaken."""
        partials, self._partials = self._partials, {}
        yield from partials.values()

    def _event(self, event: Event, now: int) -> Iterator[Packet]:
        stamps = (*event.stamps, now)
        if event.kind == "transcript.partial":
            self._overtake(event.session)
            self._partials[event.session] = self._frame(event, stamps)
            return
        if event.kind == "transcript.final":
            self._overtake(event.session)
        yield from self._pass(event.session)
        yield self._frame(event, stamps)

    def _overtake(self, session: str) -> None:
        if self._partials.pop(session, None) and self._metrics is not None:
            self._metrics.drops.labels("partial_overtaken").inc()

    def _pass(self, session: str) -> Iterator[Packet]:
        if packet := self._partials.pop(session, None):
            yield packet

    def _frame(self, event: Event, stamps: Stamps) -> Packet:
        fields = {"type": event.kind, **event.fields}
        waited = fields.pop("endpoint_wait", None)
        times = timing((*stamps, self._clock()), event.inference_ns)
        if times and self._metrics is not None:
            for step, ms in times.items():
                self._metrics.stage_seconds.labels(step).observe(ms / 1000)
        if times and event.session in self._timed:
            fields["timing"] = times if waited is None else {**times, "endpoint_wait": waited}
        return Frame(event.session, event.kind), orjson.dumps(fields)

    def _error(self, failed: SessionFailed) -> Packet:
        fields: dict[str, Any] = {
            "type": "error",
            "code": close_code(failed.code).error,
            "message": failed.message,
            "recoverable": False,
        }
        return Frame(failed.session, "error"), orjson.dumps(fields)


def timing(stamps: Stamps, inference_ns: int) -> dict[str, float]:
    """Milliseconds that a result spent in each step, from its stamps; empty if they are not complete.

    The ASR stage's own stamps hold its queue and its inference together; the inference is known apart.
    """
    if len(stamps) != len(STEPS) + 1:
        return {}
    spent = {step: b - a for step, (a, b) in zip(STEPS, pairwise(stamps), strict=True)}
    spent["asr_queue"] += spent["asr"] - inference_ns
    spent["asr"] = inference_ns
    spent["total"] = stamps[-1] - stamps[0]
    return {step: round(ns / 1e6, 3) for step, ns in spent.items()}


def main() -> None:
    """Run the stage as a process."""
    stop = Stop()
    settings = read_settings(WorkerSettings)
    configure_logging("sender", settings.log_level, settings.log_format)
    process = StageProcess("sender", settings, stop)
    process.run(SenderStage(time.monotonic_ns, process.metrics))
