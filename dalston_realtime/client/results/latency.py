"""Computes what results cost in each stage, beside the latency budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dalston_realtime.client.audio.chunks import CHUNK_MS
from dalston_realtime.client.results.transcript import Sample

TOTAL: Final = "Total"
OURS: Final = "Of it, all but the model and its queue"
WAIT: Final = "Silence waited for (min_silence_ms)"  # The client asks for it, so it has no budget.

Cost = Callable[[Sample], float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Percentiles in ms."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """One line of the budget, in ms; None where there is no budget or nothing was measured."""

    stage: str
    budget: float | None
    partials: Measured | None
    finals: Measured | None


def budget_rows(samples: Sequence[Sample]) -> list[BudgetRow]:
    """The latency budget, with the percentiles of each stage over partials and over finals.

    The wait for the silence that ends an utterance is no part of the total: it is asked for.
    """
    partials = [sample for sample in samples if not sample.is_final]
    finals = [sample for sample in samples if sample.is_final]
    return [
        BudgetRow(stage, budget, _percentiles(cost, partials), _percentiles(cost, finals))
        for stage, budget, cost in _BUDGET
    ]


def _percentiles(cost: Cost, samples: Sequence[Sample]) -> Measured | None:
    costs = [ms for ms in map(cost, samples) if ms is not None]
    if not costs:
        return None
    import numpy as np  # is loaded here: commands without a budget start sooner

    p50, p95 = np.percentile(costs, [50, 95])
    return Measured(float(p50), float(p95))


def _sum(timing: Mapping[str, float], keys: Sequence[str]) -> float | None:
    known = [timing[key] for key in keys if key in timing]
    return sum(known) if known else None


def _stages(*keys: str) -> Cost:
    return lambda sample: _sum(sample.timing, keys)


def _one_way(sample: Sample) -> float | None:
    return None if sample.round_trip is None else sample.round_trip * 1000 / 2


def _chunk(_sample: Sample) -> float:
    return float(CHUNK_MS)


_ROUTING: Final = _stages("routing", "gateway")
_WORKER: Final = (
    _stages("receiver", "vad_queue", "vad"),
    _stages("asr_queue", "asr"),
    _stages("assembler_queue", "assembler", "sender_queue", "sender"),
)


def _total(sample: Sample) -> float | None:
    """Both ways over the network, the chunk, the routing, and the worker's own total.

    Where the worker does not say its total it is the sum of its stages.
    """
    worker = sample.timing.get("total")
    if worker is None:
        stages = [ms for ms in (cost(sample) for cost in _WORKER) if ms is not None]
        if not stages:
            return None
        worker = sum(stages)
    return 2 * (_one_way(sample) or 0.0) + CHUNK_MS + (_ROUTING(sample) or 0.0) + worker


def _ours(sample: Sample) -> float | None:
    """What the server's own processes add to a result."""
    parts = [cost(sample) for cost in (_ROUTING, _WORKER[0], _WORKER[2])]
    known = [ms for ms in parts if ms is not None]
    return sum(known) if known else None


_BUDGET: Final[Sequence[tuple[str, float | None, Cost]]] = (
    ("Network (client → gateway)", 50, _one_way),
    ("Gateway → Worker routing", 10, _ROUTING),
    ("Audio buffering", 100, _chunk),
    ("VAD processing", 20, _WORKER[0]),
    ("ASR inference", 250, _WORKER[1]),
    ("Result serialization", 10, _WORKER[2]),
    ("Network (worker → client)", 50, _one_way),
    (TOTAL, 490, _total),
    (OURS, None, _ours),
    (WAIT, None, _stages("endpoint_wait")),
)
