"""Checks how scores and usage become figures."""

from dataclasses import replace

import pytest

from bench.measure.figures import distinct_errors, lag_growth, percentile, ratio
from tests.support.bench_results import SCORE, USAGE, figures


def test_percentiles_are_over_recordings_and_words_over_all_words() -> None:
    row = figures(SCORE, replace(SCORE, time_to_final=0.6, word_latency=(1.0,), word_ends=(0.5,)))
    assert row.final_p50 == pytest.approx(0.5)
    assert row.recordings == 2
    assert row.word_p50 == pytest.approx(0.25)


def test_wrong_words_are_counted_over_all_references() -> None:
    unknown = replace(SCORE, word_errors=None, reference_words=None)
    assert figures(SCORE, replace(SCORE, word_errors=3), unknown).wer_percent == pytest.approx(25.0)
    assert figures(unknown).wer_percent is None


def test_cut_sentences_are_counted_per_minute_of_recordings() -> None:
    known = replace(SCORE, cut_sentences=0)
    row = figures(SCORE, known, replace(known, cut_sentences=1), replace(known, seconds=8.0, cut_sentences=3))
    assert row.cut_sentences == pytest.approx(20.0)
    assert figures(SCORE).cut_sentences is None


def test_a_stream_costs_cpu_per_second_that_it_is_open() -> None:
    row = figures(SCORE, SCORE)
    assert row.cores == pytest.approx(0.4)
    assert row.cores_per_stream == pytest.approx(0.5)
    assert row.memory_mb == pytest.approx(250.0)
    assert (row.gpu_memory_mb, row.gpu_busy_percent) == (None, None)
    device = figures(SCORE, usage=replace(USAGE, gpu_memory=4_000_000_000, gpu_busy=37.5))
    assert (device.gpu_memory_mb, device.gpu_busy_percent) == (4_000.0, 37.5)


def test_where_the_processes_are_not_known_the_usage_is_not() -> None:
    row = figures(SCORE, usage=replace(USAGE, server_cpu=None, memory=None))
    assert (row.cores, row.cores_per_stream, row.memory_mb) == (None, None, None)


def test_without_recordings_there_are_no_figures() -> None:
    row = figures()
    assert (row.recordings, row.final_p50, row.wer_percent, row.lag_growth) == (0, None, None, None)


def test_a_lag_that_grows_over_the_run_shows() -> None:
    scores = [replace(SCORE, began=10.0 * i, word_latency=(0.1 * i,) * 3) for i in range(5)]
    assert lag_growth(scores) == pytest.approx(0.01, rel=0.05)
    assert lag_growth(scores[:3]) is None  # too short to say


def test_failures_and_their_reasons_are_counted() -> None:
    lost = replace(SCORE, failed=True, late=True, error="lost")
    row = figures(SCORE, lost, lost)
    assert (row.failed, row.late, distinct_errors([SCORE, lost, lost])) == (2, 2, ["lost"])


def test_nothing_has_no_percentile_and_no_ratio() -> None:
    assert percentile([], 50) is None
    assert ratio(None, 2.0) is None
    assert ratio(1.0, 0.0) is None
