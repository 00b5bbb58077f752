"""A trace has the id of its session, what became of it, where the time of finals went, and no word of it."""

from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.events import ServerWarning, SessionBegin
from dalston_realtime.protocol.timing import WORKER_STEPS
from gateway.traces import STEPS, SessionTraces

SESSION: Final = "0f3c6e2a9b7d4c5e8f1a2b3c4d5e6f70"
TIMING: Final = {
    "vad": 2.0,
    "asr_queue": 3.0,
    "asr": 40.0,
    "total": 45.0,
    "endpoint_wait": 300.0,
    "gateway": 1.0,
}
FINAL: Final = FinalEvent(text="a secret word", utterance=4, timing=TIMING)


def traced(chance: float, *, share: float = 0.5, failed: bool = False) -> dict[str, ReadableSpan]:
    """The spans of a session with one final, by name."""
    exporter = InMemorySpanExporter()
    traces = SessionTraces(exporter, share, lambda: chance)
    trace = traces.begin(SESSION)
    trace.worker_began("worker-1")
    trace.add_event(SessionBegin(session_id=SESSION, resume_token="token", model="m", variant="fast"))
    trace.add_final(FINAL)
    trace.add_event(ServerWarning(code="worker_lost", message="the worker was lost"))
    trace.worker_began("worker-2")
    trace.end("normal", failed=failed, worker_id="worker-2", audio_seconds=3.0)
    traces.close()
    return {span.name: span for span in exporter.get_finished_spans()}


def milliseconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def test_the_trace_has_the_id_of_its_session_and_what_became_of_it() -> None:
    spans = traced(0.9)
    assert set(spans) == {"session", "slot"}
    session = spans["session"]
    assert {f"{span.context.trace_id:032x}" for span in spans.values()} == {SESSION}
    assert session.parent is None
    assert dict(session.attributes or {}) == {
        "model": "m",
        "variant": "fast",
        "outcome": "normal",
        "worker": "worker-2",
        "audio_seconds": 3.0,
    }
    assert [event.name for event in session.events] == ["worker", "worker_lost", "worker"]
    assert session.status.status_code is StatusCode.UNSET


def test_a_final_has_a_span_for_each_step_one_behind_the_other() -> None:
    spans = traced(0.1)
    final = spans["final"]
    steps = [name for name in STEPS if name in TIMING]
    assert set(spans) == {"session", "slot", "final", *steps}
    assert {name: milliseconds(spans[name]) for name in steps} == {name: TIMING[name] for name in steps}
    assert milliseconds(final) == sum(TIMING[name] for name in steps)
    at = final.start_time
    for name in steps:
        assert spans[name].start_time == at
        assert spans[name].parent == final.context
        at = spans[name].end_time
    assert at == final.end_time
    assert final.parent == spans["session"].context


def test_no_span_has_a_word_or_a_token() -> None:
    shown = " ".join(span.to_json() for span in traced(0.1).values())
    assert "secret" not in shown
    assert "token" not in shown


def test_a_session_that_failed_says_so() -> None:
    assert traced(0.9, failed=True)["session"].status.status_code is StatusCode.ERROR


def test_every_step_of_a_worker_is_in_a_trace() -> None:
    assert set(WORKER_STEPS) <= set(STEPS)
