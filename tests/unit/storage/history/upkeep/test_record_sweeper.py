"""A record whose gateway is gone is finished, and no other one."""

import pytest

from storage.database import Database, DatabaseUnavailable
from storage.history.upkeep.record_sweeper import RecordSweeper, SweepTimes, Swept
from tests.support.histories import NOON, MovedClock, begun, history_of, record_of, written

ID = "a" * 32
TIMES = SweepTimes(silent=10.0, lost=30.0)


def test_a_session_without_heartbeats_is_looked_for_and_then_lost(database: Database) -> None:
    clock = MovedClock()
    sweeper = RecordSweeper(database, clock.monotonic, TIMES)
    with history_of(database) as history:
        begun(history, ID)
        written(history)
    looks = []
    for clock.seconds in (0.0, 9.0, 10.0, 20.0, 30.0, 40.0):
        looks.append(sweeper.sweep())
    assert looks == [Swept(), Swept(), Swept(silent=(ID,)), Swept(), Swept(lost=(ID,)), Swept()]
    record = record_of(database, ID)
    assert record is not None
    assert (record.status, record.reason, record.ended_at) == ("lost", "gateway_gone", NOON)


def test_a_session_that_lives_is_left_alone_whatever_its_clock_says(database: Database) -> None:
    clock, gateways = MovedClock(), MovedClock()
    sweeper = RecordSweeper(database, clock.monotonic, TIMES)
    with history_of(database, gateways) as history:
        kept = begun(history, ID)
        for look in range(10):
            clock.seconds = look * 9.0
            gateways.seconds = -look * 3_600.0  # It goes backwards by an hour each time.
            kept.follow(audio_seconds=1.0)
            written(history)
            assert sweeper.sweep() == Swept()


def test_a_database_that_was_away_costs_no_session_its_life(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovedClock()
    sweeper = RecordSweeper(database, clock.monotonic, TIMES)
    with history_of(database) as history:
        begun(history, ID)
        written(history)
    assert sweeper.sweep() == Swept()

    def away() -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(database, "reading", away)
        clock.seconds = 29.0
        with pytest.raises(DatabaseUnavailable):
            sweeper.sweep()
    clock.seconds = 31.0
    assert sweeper.sweep() == Swept()
    clock.seconds = 61.0
    assert sweeper.sweep().lost == (ID,)


def test_a_session_that_was_taken_for_lost_lives_again_with_its_next_heartbeat(database: Database) -> None:
    clock = MovedClock()
    sweeper = RecordSweeper(database, clock.monotonic, TIMES)
    with history_of(database, clock) as history:
        kept = begun(history, ID)
        written(history)
        sweeper.sweep()
        clock.seconds = 30.0
        assert sweeper.sweep().lost == (ID,)
        kept.follow(audio_seconds=30.0)
        written(history)
    record = record_of(database, ID)
    assert record is not None
    assert (record.status, record.reason, record.ended_at) == ("active", None, None)
