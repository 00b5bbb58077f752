"""Which phase may follow which, and that every other change is an error."""

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sessions.phase import TRANSITIONS, IllegalTransition, PhaseTracker, SessionPhase

LEGAL = {
    "QUEUED": "RUNNING DETACHED ENDING",
    "RUNNING": "DETACHED FAILING_OVER ENDING HANDED_OVER",
    "DETACHED": "RUNNING FAILING_OVER ENDING HANDED_OVER",
    "FAILING_OVER": "RUNNING DETACHED ENDING HANDED_OVER",
    "ENDING": "OVER",
    "HANDED_OVER": "OVER",
    "OVER": "",
}


@pytest.mark.parametrize("before", list(SessionPhase))
@pytest.mark.parametrize("after", list(SessionPhase))
def test_each_change_is_legal_or_raises(before: SessionPhase, after: SessionPhase) -> None:
    tracker = PhaseTracker(before)
    if after.name in LEGAL[before.name].split():
        tracker.move_to(after)
        assert tracker.current is after
    else:
        with pytest.raises(IllegalTransition, match=f"{before.name} -> {after.name}"):
            tracker.move_to(after)
        assert tracker.current is before


def test_all_phases_are_in_the_table() -> None:
    assert set(TRANSITIONS) == set(SessionPhase)


def test_a_client_that_comes_and_goes_changes_the_phase_only_where_a_worker_serves() -> None:
    tracker, phases = PhaseTracker(), []
    steps: list[Callable[[], None]] = [
        partial(tracker.set_attached, True),
        tracker.worker_lost,
        tracker.worker_began,
        partial(tracker.set_attached, False),
        tracker.worker_lost,
        partial(tracker.set_attached, True),
        tracker.worker_found,
    ]
    for step in steps:
        step()
        phases.append(tracker.current.name)
    assert phases == [
        *("QUEUED", "QUEUED", "RUNNING", "DETACHED"),
        *("FAILING_OVER", "FAILING_OVER", "RUNNING"),
    ]


EVENTS = ("attach", "detach", "began", "lost", "found", "end", "over")


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_whatever_happens_in_whatever_order_no_change_is_illegal(events: list[str]) -> None:
    tracker = PhaseTracker()
    for event in events:
        match event:
            case "attach" | "detach":
                tracker.set_attached(event == "attach")
            case "began":
                tracker.worker_began()
            case "lost":
                tracker.worker_lost()
            case "found":
                tracker.worker_found()
            case "end" if not tracker.is_ending:
                tracker.move_to(SessionPhase.ENDING)
            case "over" if tracker.current is SessionPhase.ENDING:
                tracker.move_to(SessionPhase.OVER)
        assert tracker.is_live + tracker.is_ending + (tracker.current is SessionPhase.QUEUED) == 1
