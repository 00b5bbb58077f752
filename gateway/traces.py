"""Makes a trace of each session for a collector of OpenTelemetry, with a span of each step of some finals.

The trace has the id of its session, so one leads to the other, and a gateway that takes a session over goes
on with the same trace. No span has a text, an address or a key. The library is the extra `traces`; without
DALSTON_TRACES_URL it is not loaded.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from dalston_realtime.protocol.events import Event, ServerError, ServerWarning, SessionBegin
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.timing import WORKER_STEPS

BATCH_S: Final = 1.0  # Seconds between two batches of spans.
EXPORT_S: Final = 5.0  # Seconds that a collector may take for one batch of spans.
CLOSE_S: Final = 0.4  # Seconds at the end for the spans that wait.
MAX_SPANS: Final = 8_192  # Spans that wait for the collector; those beyond are dropped.
STEPS: Final = ("endpoint_wait", *WORKER_STEPS, "routing", "gateway")
"""The steps of a final's `timing` in the order in which they happen."""


class SessionTraces:
    """Where the spans of a gateway go."""

    def __init__(
        self, exporter: SpanExporter, share: float, chance: Callable[[], float] = random.random
    ) -> None:
        """`share` of the finals, from 0 to 1, have a span for each step; `chance` is a number from 0 to 1."""
        self._share, self._chance = share, chance
        self._ids = _SessionIds()
        resource = Resource.create({SERVICE_NAME: "dalston-gateway"})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MAX_SPANS, schedule_delay_millis=BATCH_S * 1e3)
        )

    @classmethod
    def at(cls, url: str, share: float) -> "SessionTraces":
        """Spans that go to the OTLP endpoint at `url`; OTEL_EXPORTER_OTLP_HEADERS has headers for it."""
        return cls(OTLPSpanExporter(url, timeout=EXPORT_S), share)

    def begin(self, session_id: str) -> "SessionTrace":
        """The trace of a session that begins here, or is taken over."""
        self._ids.session = int(session_id, 16)
        tracer = self._provider.get_tracer("dalston")
        return SessionTrace(tracer, tracer.start_span("session", context=Context()), self._is_sampled)

    def _is_sampled(self) -> bool:
        return self._chance() < self._share

    def close(self, timeout: float = CLOSE_S) -> None:
        """Send what waits, as far as the collector takes it in so many seconds; blocks meanwhile."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(timeout)


class _SessionIds(RandomIdGenerator):
    """Gives a trace the id of the session that begins."""

    session = 0

    def generate_trace_id(self) -> int:
        return self.session


class SessionTrace:
    """The trace of one session."""

    def __init__(self, tracer: Tracer, root: Span, is_sampled: Callable[[], bool]) -> None:
        """`is_sampled` says whether the next final has a span for each step."""
        self._tracer, self._root, self._is_sampled = tracer, root, is_sampled
        self._context = set_span_in_context(root, Context())
        self._slot: Span | None = tracer.start_span("slot", context=self._context)

    def worker_began(self, worker_id: str) -> None:
        """A worker has the session, at first or after another was lost."""
        self._root.add_event("worker", {"worker": worker_id})
        if self._slot is not None:
            self._slot.end()
            self._slot = None

    def add_event(self, event: Event) -> None:
        """Note what the client is told of the session itself."""
        if isinstance(event, SessionBegin):
            about = {"model": event.model, "variant": event.variant, "language": event.language}
            self._root.set_attributes({name: value for name, value in about.items() if value is not None})
        elif isinstance(event, ServerWarning | ServerError):
            self._root.add_event(event.code)

    def add_final(self, final: FinalEvent) -> None:
        """Show where the time of a final went, which leaves now, if it is one of those that are looked at."""
        spent = [(step, final.timing[step]) for step in STEPS if step in final.timing] if final.timing else []
        if not spent or not self._is_sampled():
            return
        end = time.time_ns()
        at = end - sum(_nanoseconds(ms) for _, ms in spent)
        about = {"utterance": final.utterance or 0, "channel": final.channel or 0}
        whole = self._tracer.start_span("final", self._context, attributes=about, start_time=at)
        within = set_span_in_context(whole, Context())
        for step, ms in spent:
            span = self._tracer.start_span(step, within, start_time=at)
            at += _nanoseconds(ms)
            span.end(at)
        whole.end(end)

    def end(self, outcome: str, *, failed: bool, worker_id: str, audio_seconds: float) -> None:
        """The session is over here."""
        if self._slot is not None:
            self._slot.end()
        self._root.set_attributes(
            {"outcome": outcome, "worker": worker_id, "audio_seconds": round(audio_seconds, 3)}
        )
        if failed:
            self._root.set_status(Status(StatusCode.ERROR, outcome))
        self._root.end()


def _nanoseconds(ms: float) -> int:
    return round(ms * 1e6)
