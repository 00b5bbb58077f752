"""Checks how the gateway's histogram is read, and the figures of sessions that are replaced or idle."""

import pytest

from bench.load.idle_sessions import IdleSessions
from bench.measure.stack_usage import StackSnapshot, histogram_quantile, routing_histogram
from bench.scenarios.routing import RoutingPlan, RoutingStep, step_figures, table
from gateway.metrics import GatewayMetrics
from tests.support.bench_results import text_of

INF = float("inf")
CPU = {"gateway": 1.0, "broker": 0.5, "redis": 0.25, "workers": 2.0, "client": 3.0}


def usage(at: float, more_cpu: float = 0.0, memory: int = 60_000_000, routed: float = 0.0) -> StackSnapshot:
    """What was used at a moment; all `routed` sessions took from 2.5 to 5 ms."""
    cpu = {name: used + more_cpu for name, used in CPU.items()}
    return StackSnapshot(
        at, cpu, dict.fromkeys(CPU, at / 100), memory, {0.0025: 0.0, 0.005: routed, INF: routed}
    )


def some_step(plan: RoutingPlan, *errors: str, interrupted: bool = False) -> RoutingStep:
    idle_sessions = IdleSessions("", began=[0.004, 0.008], errors=list(errors))
    seen = [usage(0), usage(10, 0, 80_000_000, 100), usage(20, 0.2, 85_000_000, 300)]
    return step_figures(plan, idle_sessions, seen, interrupted=interrupted)


def test_the_gateways_own_histogram_is_read() -> None:
    metrics = GatewayMetrics()
    for seconds in (0.0009, 0.004, 0.004, 3.0):
        metrics.routing.observe(seconds)
    found = routing_histogram(metrics.scrape().decode())
    assert (found[0.001], found[0.003], found[0.004], found[2.5], found[INF]) == (1, 1, 3, 3, 4)


@pytest.mark.parametrize(
    ("share", "within"), [(0.1, 0.4), (0.25, 1.0), (0.5, 3.75), (0.75, 5.0), (0.95, None), (1.0, None)]
)
def test_a_quantile_lies_between_the_bounds(share: float, within: float | None) -> None:
    assert histogram_quantile({0.001: 1, 0.0025: 1, 0.005: 3, INF: 4}, share) == within


def test_nothing_routed_has_no_quantile() -> None:
    assert histogram_quantile({}, 0.5) is None
    assert histogram_quantile({0.001: 0.0, INF: 0.0}, 0.5) is None


def test_workers_have_places_to_spare_for_those_that_leave() -> None:
    assert RoutingPlan(10, 100, 1.0).slots == 15
    assert RoutingPlan(3, 1, 1.0).slots == 1
    assert RoutingPlan(20, 1_000, 1.0, idle=True).name == "1,000 idle,\n20 workers"


def test_sessions_that_come_and_go_count_from_when_all_were_there() -> None:
    found = some_step(RoutingPlan(10, 100, 10.0))
    assert (found.routed, found.routing_p50, found.routing_p95) == (200, 3.75, 4.88)
    assert (found.begin_p50, found.failed) == (6.0, 0)
    assert found.cores == dict.fromkeys(CPU, 0.02)
    assert found.server_cores == pytest.approx(0.06)
    assert found.server_waited == pytest.approx(0.03)
    assert found.mb_per_100 == pytest.approx(25.0)


def test_idle_sessions_count_from_the_first() -> None:
    assert some_step(RoutingPlan(20, 1_000, 10.0, idle=True)).routed == 300


def test_the_table_says_what_failed_and_what_was_cut_short() -> None:
    steps = [
        some_step(RoutingPlan(10, 100, 10.0), "lost"),
        some_step(RoutingPlan(2, 9, 1.0, idle=True), interrupted=True),
    ]
    text = text_of(table(steps))
    assert "(cut short)" in text
    assert "0.060" in text
    red = [cell.style for row in table(steps).columns[1:] for cell in row.cells if "red" in str(cell.style)]  # type: ignore[union-attr]
    assert len(red) == 2  # a session that failed; 9 idle ones that took more than 25 MB for 100
