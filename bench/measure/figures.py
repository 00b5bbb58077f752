"""Scores and cost of one number of sessions in, the figures of a table's row out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.measure.process_usage import Cost
from bench.measure.score import Score, slope


@dataclass(frozen=True, slots=True)
class Figures:
    """One row: seconds, unless the name says otherwise; None where nothing was measured."""

    sessions: int
    recordings: int
    failed: int
    late: int
    final_p50: float | None
    final_p95: float | None
    final_p99: float | None
    settle_p50: float | None
    first_partial_p50: float | None
    first_partial_p95: float | None
    word_p50: float | None
    word_p95: float | None
    taken_back_percent: float | None  # of the words shown
    lag_slope: float | None  # of the word latency within recordings, s per s, median
    lag_growth: float | None  # of the word latency over the run, s per s
    wer_percent: float | None
    cut_sentences: float | None  # finals that end inside a sentence, per minute of recordings
    cores: float | None
    cores_per_stream: float | None
    memory_mb: float | None
    memory_growth: float | None  # MB per hour
    gpu_memory_mb: float | None
    gpu_busy_percent: float | None
    client_cores: float
    client_late_max: float | None
    other_cores: float


ERROR_LENGTH: Final = 160  # characters of an error that is counted
MIN_GROWTH_S: Final = 30.0  # of words: in less, one slow word is a trend
MIN_MEMORY_S: Final = 1_800.0  # of memory: in 12 minutes one step of 14 MB in a heap made 150 MB per hour
WARM: Final = 0.1  # of the run, in which caches fill


def summarize(sessions: int, scores: Sequence[Score], cost: Cost) -> Figures:
    """The figures over all recordings that were played."""
    final, settle = _known(scores, lambda s: s.time_to_final), _known(scores, lambda s: s.time_to_settle)
    first = _known(scores, lambda s: s.first_partial)
    words = [delay for s in scores for delay in s.word_latency]
    connected = sum(s.connected for s in scores)
    return Figures(
        sessions=sessions,
        recordings=len(scores),
        failed=sum(s.failed for s in scores),
        late=sum(s.late for s in scores),
        final_p50=percentile(final, 50),
        final_p95=percentile(final, 95),
        final_p99=percentile(final, 99),
        settle_p50=percentile(settle, 50),
        first_partial_p50=percentile(first, 50),
        first_partial_p95=percentile(first, 95),
        word_p50=percentile(words, 50),
        word_p95=percentile(words, 95),
        taken_back_percent=ratio(sum(s.taken_back for s in scores), sum(s.shown_words for s in scores), 100),
        lag_slope=percentile(_known(scores, lambda s: s.lag_slope), 50, 5),
        lag_growth=growth(scores),
        wer_percent=_wer(scores),
        cut_sentences=_cut_sentences(scores),
        cores=ratio(cost.server_cpu, cost.seconds),
        cores_per_stream=ratio(cost.server_cpu, connected),
        memory_mb=ratio(cost.memory, 1e6),
        memory_growth=memory_growth(cost.memory_over_time),
        gpu_memory_mb=ratio(cost.gpu_memory, 1e6),
        gpu_busy_percent=ratio(cost.gpu_busy, 1),
        client_cores=round(cost.client_cpu / max(cost.seconds, 1e-9), 3),
        client_late_max=percentile([s.client_late for s in scores], 100),
        other_cores=round(cost.other_cores, 3),
    )


def growth(scores: Iterable[Score]) -> float | None:
    """How much the word latency grows over the whole run, s per s; None of a short one."""
    points = [(s.began + e, d) for s in scores for e, d in zip(s.word_ends, s.word_latency, strict=True)]
    at, delays = [at for at, _ in points], [delay for _, delay in points]
    return slope(at, delays) if at and max(at) - min(at) >= MIN_GROWTH_S else None


def memory_growth(samples: Sequence[tuple[float, int]]) -> float | None:
    """The least-squares slope of the memory (s, bytes) without the first tenth, MB per hour.

    None of less than half an hour.
    """
    if not samples or samples[-1][0] - samples[0][0] < MIN_MEMORY_S:
        return None
    warm = samples[0][0] + WARM * (samples[-1][0] - samples[0][0])
    at, memory = np.array([sample for sample in samples if sample[0] >= warm]).T
    return round(float(np.polyfit(at / 3600, memory / 1e6, 1)[0]), 2)


def thinned(samples: Sequence[tuple[float, int]], most: int = 240) -> list[tuple[float, float]]:
    """At most so many points of the memory (s, bytes), each the mean of its neighbours, in s and MB."""
    groups = np.array_split(np.array(samples), min(most, len(samples))) if samples else []
    means = [group.mean(axis=0) for group in groups]
    return [(round(float(at), 1), round(float(size) / 1e6, 1)) for at, size in means]


def errors_of(scores: Iterable[Score]) -> list[str]:
    """The different errors, sorted."""
    return sorted({s.error[:ERROR_LENGTH] for s in scores if s.error})


def percentile(values: Sequence[float], q: float, digits: int = 4) -> float | None:
    """The percentile, None of nothing."""
    return round(float(np.percentile(values, q)), digits) if values else None


def ratio(part: float | None, whole: float, factor: float = 1.0) -> float | None:
    """One number by another, None where either is missing."""
    return None if part is None or not whole else round(factor * part / whole, 4)


def _known(scores: Iterable[Score], what: Callable[[Score], float | None]) -> list[float]:
    return [value for value in map(what, scores) if value is not None]


def _cut_sentences(scores: Sequence[Score]) -> float | None:
    known = [(s.cut_sentences, s.seconds) for s in scores if s.cut_sentences is not None]
    return ratio(sum(cut for cut, _ in known), sum(seconds for _, seconds in known), 60)


def _wer(scores: Sequence[Score]) -> float | None:
    wrong = sum(s.word_errors or 0 for s in scores)
    return ratio(wrong, sum(s.reference_words or 0 for s in scores), 100)
