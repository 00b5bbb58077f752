"""Summarizes the scores and the usage of one number of sessions as figures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.measure.process_usage import ProcessUsage
from bench.measure.score import Score, slope


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one number of sessions: seconds, unless the name says otherwise, or None.

    `taken_back_percent` is of the words that were displayed. `lag_slope` is the median over recordings of the
    slope of the word latency within each, `lag_growth` its slope over the run; both in s per s.
    `cut_sentences` counts finals that end inside a sentence, per minute of recordings. `memory_growth` is in
    MB per hour.
    """

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
    taken_back_percent: float | None
    lag_slope: float | None
    lag_growth: float | None
    wer_percent: float | None
    cut_sentences: float | None
    cores: float | None
    cores_per_stream: float | None
    memory_mb: float | None
    memory_growth: float | None
    gpu_memory_mb: float | None
    gpu_busy_percent: float | None
    client_cores: float
    client_late_max: float | None
    other_cores: float


ERROR_LENGTH: Final = 160  # Characters of an error message that are kept; two lines of a terminal.
MIN_GROWTH_S: Final = 30.0  # Seconds of words; in less, one slow word looks like a trend.
MIN_MEMORY_S: Final = 1_800.0  # Seconds of memory; in 12 minutes a step of 14 MB looked like 150 MB per hour.
WARM_UP: Final = 0.1  # Share of the run, at its beginning, in which caches fill; it does not count as growth.


def summarize(sessions: int, scores: Sequence[Score], usage: ProcessUsage) -> Figures:
    """Compute the figures over all recordings that were played."""
    final, settle = _present(scores, lambda s: s.time_to_final), _present(scores, lambda s: s.time_to_settle)
    first = _present(scores, lambda s: s.first_partial)
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
        lag_slope=percentile(_present(scores, lambda s: s.lag_slope), 50, 5),
        lag_growth=lag_growth(scores),
        wer_percent=_wer(scores),
        cut_sentences=_cut_sentences(scores),
        cores=ratio(usage.server_cpu, usage.seconds),
        cores_per_stream=ratio(usage.server_cpu, connected),
        memory_mb=ratio(usage.memory, 1e6),
        memory_growth=memory_growth(usage.memory_over_time),
        gpu_memory_mb=ratio(usage.gpu_memory, 1e6),
        gpu_busy_percent=ratio(usage.gpu_busy, 1),
        client_cores=round(usage.client_cpu / max(usage.seconds, 1e-9), 3),
        client_late_max=percentile([s.client_late for s in scores], 100),
        other_cores=round(usage.other_cores, 3),
    )


def lag_growth(scores: Iterable[Score]) -> float | None:
    """The slope of the word latency over the whole run, s per s; None for a short run."""
    points = [(s.began + e, d) for s in scores for e, d in zip(s.word_ends, s.word_latency, strict=True)]
    at, delays = [at for at, _ in points], [delay for _, delay in points]
    return slope(at, delays) if at and max(at) - min(at) >= MIN_GROWTH_S else None


def memory_growth(samples: Sequence[tuple[float, int]]) -> float | None:
    """The least-squares slope of the memory (s, bytes) without the first tenth, in MB per hour.

    None for less than half an hour.
    """
    if not samples or samples[-1][0] - samples[0][0] < MIN_MEMORY_S:
        return None
    warm = samples[0][0] + WARM_UP * (samples[-1][0] - samples[0][0])
    at, memory = np.array([sample for sample in samples if sample[0] >= warm]).T
    return round(float(np.polyfit(at / 3600, memory / 1e6, 1)[0]), 2)


def downsample(samples: Sequence[tuple[float, int]], limit: int = 240) -> list[tuple[float, float]]:
    """Reduce samples of the memory (s, bytes) to at most `limit` points, means in s and MB."""
    groups = np.array_split(np.array(samples), min(limit, len(samples))) if samples else []
    means = [group.mean(axis=0) for group in groups]
    return [(round(float(at), 1), round(float(size) / 1e6, 1)) for at, size in means]


def distinct_errors(scores: Iterable[Score]) -> list[str]:
    """The different error messages, sorted."""
    return sorted({s.error[:ERROR_LENGTH] for s in scores if s.error})


def percentile(values: Sequence[float], q: float, digits: int = 4) -> float | None:
    """The percentile `q`; None for no values."""
    return round(float(np.percentile(values, q)), digits) if values else None


def ratio(part: float | None, whole: float, factor: float = 1.0) -> float | None:
    """`part` divided by `whole`, times `factor`; None where either is missing."""
    return None if part is None or not whole else round(factor * part / whole, 4)


def _present(scores: Iterable[Score], what: Callable[[Score], float | None]) -> list[float]:
    return [value for value in map(what, scores) if value is not None]


def _cut_sentences(scores: Sequence[Score]) -> float | None:
    counted = [(s.cut_sentences, s.seconds) for s in scores if s.cut_sentences is not None]
    return ratio(sum(cut for cut, _ in counted), sum(seconds for _, seconds in counted), 60)


def _wer(scores: Sequence[Score]) -> float | None:
    wrong = sum(s.word_errors or 0 for s in scores)
    return ratio(wrong, sum(s.reference_words or 0 for s in scores), 100)
