"""Checks the search for the number of sessions that a server holds."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenarios.capacity import LatencyBound, search, verdict
from tests.support.bench_results import SCORE, figures


@given(limit=st.integers(0, 300), most=st.integers(1, 300))
def test_the_largest_number_that_holds_is_found_in_few_tries(limit: int, most: int) -> None:
    tried: list[int] = []

    def holds(sessions: int) -> bool:
        tried.append(sessions)
        return sessions <= limit

    assert search(holds, most) == min(limit, most)
    assert len(tried) == len(set(tried)) <= 18
    assert all(1 <= sessions <= most for sessions in tried)


def test_it_doubles_then_halves() -> None:
    tried: list[int] = []
    search(lambda n: tried.append(n) or n <= 11, 64)  # type: ignore[func-returns-value]
    assert tried == [1, 2, 4, 8, 16, 12, 10, 11]


def test_what_is_within_the_bound_holds() -> None:
    assert LatencyBound(0.5).violation(figures(SCORE)) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"failed": 1}, "1 of 1 recordings failed"),
        ({"final_p95": 0.61}, "p95 of the time to final is 0.61 s"),
        ({"final_p95": None}, "nothing was measured"),
        ({"lag_growth": 0.05}, "the lag grows by 3.0 s per min"),
    ],
)
def test_what_is_beyond_the_bound_says_why(changed: dict[str, Any], why: str) -> None:
    assert LatencyBound(0.5).violation(replace(figures(SCORE), **changed)) == why


def test_the_answer_is_a_sentence() -> None:
    assert verdict(0, "1 failed", 0.5, 9).startswith("Not even one session")
    assert verdict(9, None, 0.5, 9).endswith("more than 9 were not tried.")
    assert verdict(3, "it lags", 0.5, 9).endswith("at 4: it lags.")
