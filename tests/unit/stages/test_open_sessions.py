"""Opens and closes sessions, and starts processes before the one that has them again."""

from dataclasses import replace

from stages.messages import Close, ProcessStarted
from stages.open_sessions import OpenSessions
from tests.support.builders import opened

RECEIVER = ProcessStarted("receiver", 0)


def sessions(**routes: tuple[int, ...]) -> OpenSessions:
    """Sessions with these routes."""
    found = OpenSessions()
    for session, route in routes.items():
        found.follow(replace(opened(session), route=route))
    return found


def lost(found: OpenSessions, started: ProcessStarted) -> list[str]:
    """The names of the sessions that are over."""
    return [close.session for close in found.lost_with(started, 7)]


def test_a_receiver_that_starts_again_has_lost_all_sessions_once() -> None:
    found = sessions(s1=(0, 0, 0, 0), s2=(1, 0, 0, 0))
    assert found.lost_with(RECEIVER, 7) == [
        Close("s1", (0, 0, 0, 0), "gone", 0, (7, 7)),
        Close("s2", (1, 0, 0, 0), "gone", 0, (7, 7)),
    ]
    assert lost(found, RECEIVER) == []


def test_a_stage_process_has_lost_those_that_came_through_it() -> None:
    found = sessions(s1=(0, 1, 0, 0), s2=(1, 0, 0, 0), s3=(1, 1, 0, 0))
    assert lost(found, ProcessStarted("asr", 1)) == ["s1", "s3"]


def test_what_was_closed_is_not_lost() -> None:
    found = sessions(s1=(0, 0, 0, 0))
    found.follow(Close("s1", (0, 0, 0, 0), "end", 16_000, (1, 2)))
    assert lost(found, RECEIVER) == []
