"""Checks the latency budget and its percentiles."""

import pytest

from dalston_realtime.client.results.latency import OURS, TOTAL, WAIT, BudgetRow, Measured, budget_rows
from dalston_realtime.client.results.transcript import Sample, timing_sample
from dalston_realtime.protocol.events import Final, Partial, SpeechStart

TIMING = {
    "receiver": 1.0,
    "vad_queue": 2.0,
    "vad": 3.0,
    "asr_queue": 20.0,
    "asr": 80.0,
    "assembler_queue": 0.1,
    "assembler": 0.2,
    "sender_queue": 0.3,
    "sender": 0.4,
    "routing": 1.5,
    "gateway": 0.5,
    "total": 108.0,
}
STAGES = [
    ("Network (client → gateway)", 50),
    ("Gateway → Worker routing", 10),
    ("Audio buffering", 100),
    ("VAD processing", 20),
    ("ASR inference", 250),
    ("Result serialization", 10),
    ("Network (worker → client)", 50),
    (TOTAL, 490),
    (OURS, None),
    (WAIT, None),
]


def row(samples: list[Sample], stage: str) -> BudgetRow:
    return next(row for row in budget_rows(samples) if row.stage == stage)


def p50(samples: list[Sample], stage: str) -> float | None:
    measured = row(samples, stage).finals
    return None if measured is None else measured.p50


def test_the_rows_and_their_budgets_are_those_of_the_specification() -> None:
    assert [(row.stage, row.budget) for row in budget_rows([])] == STAGES
    assert all(row.partials is None and row.finals is None for row in budget_rows([]))


def test_each_stage_goes_into_its_row() -> None:
    samples = [Sample(True, {**TIMING, "endpoint_wait": 300.0}, round_trip=0.004)]

    assert [p50(samples, stage) for stage, _ in STAGES] == pytest.approx(
        [2.0, 2.0, 100.0, 6.0, 100.0, 1.0, 2.0, 2 + 2 + 100 + 108 + 2, 2 + 6 + 1, 300.0]
    )


def test_partials_and_finals_are_counted_apart() -> None:
    samples = [Sample(False, {"asr": 10.0}, None), Sample(True, {"asr": 90.0}, None)]

    asr = row(samples, "ASR inference")

    assert (asr.partials, asr.finals) == (Measured(10.0, 10.0), Measured(90.0, 90.0))


def test_the_percentiles_are_over_results() -> None:
    samples = [Sample(True, {"asr": float(ms)}, None) for ms in range(101)]

    assert row(samples, "ASR inference").finals == Measured(50.0, 95.0)


def test_what_was_not_measured_stays_open() -> None:
    samples = [Sample(True, {"asr": 90.0}, None)]

    assert p50(samples, "Network (client → gateway)") is None
    assert p50(samples, "VAD processing") is None
    assert p50(samples, WAIT) is None


def test_without_the_workers_total_its_stages_are_added() -> None:
    timing = {name: ms for name, ms in TIMING.items() if name != "total"}

    assert p50([Sample(True, timing, None)], TOTAL) == pytest.approx(100 + 2 + 6 + 100 + 1)
    assert p50([Sample(True, {"gateway": 1.0}, None)], TOTAL) is None


def test_only_results_with_timing_are_samples() -> None:
    assert timing_sample(Final(text="", timing={"asr": 1.0}), 0.5) == Sample(True, {"asr": 1.0}, 0.5)
    assert timing_sample(Partial(text="", timing={}), None) == Sample(False, {}, None)
    assert timing_sample(Final(text=""), 0.5) is None
    assert timing_sample(SpeechStart(timestamp=0.0), 0.5) is None
