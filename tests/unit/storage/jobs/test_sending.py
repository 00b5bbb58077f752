"""A job is sent until somebody has it, and not more often than that needs."""

import pytest

from storage.database import Database
from storage.tables import LOCAL
from tests.support.job_rooms import JobRoom


@pytest.fixture
def room(database: Database) -> JobRoom:
    return JobRoom(database)


def test_of_two_dispatchers_one_sends(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    assert room.sending.claim_due(queue_is_empty=True) == [job_id]
    assert room.sending.claim_due(queue_is_empty=True) == []


def test_a_message_that_is_lost_is_sent_again_after_seconds(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    room.sending.claim_due(queue_is_empty=True)
    room.seconds = 4.9
    assert room.sending.claim_due(queue_is_empty=True) == []
    room.seconds = 5.0
    assert room.sending.claim_due(queue_is_empty=True) == [job_id]


def test_while_others_wait_it_is_sent_again_ever_more_seldom(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    sent = []
    for second in range(0, 1_000, 5):
        room.seconds = second
        if room.sending.claim_due(queue_is_empty=False) == [job_id]:
            sent.append(second)
    assert sent == [0, 60, 120, 240, 480, 960]


def test_what_could_not_be_sent_is_due_at_once(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    room.sending.unsend(room.sending.claim_due(queue_is_empty=True))
    assert room.sending.claim_due(queue_is_empty=False) == [job_id]


def test_the_oldest_comes_first(room: JobRoom) -> None:
    ids = []
    for second in range(5):
        room.seconds = second
        ids.append(room.store.create(LOCAL, {}))
    assert room.sending.claim_due(queue_is_empty=True) == ids


def test_a_job_that_somebody_has_is_not_sent(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    lease = room.take(job_id)
    assert room.sending.claim_due(queue_is_empty=True) == []
    assert room.leases.finish(lease, "key")
    assert room.sending.claim_due(queue_is_empty=True) == []  # Its owner goes on with it.
    room.seconds = 5.0
    assert room.sending.claim_due(queue_is_empty=True) == [job_id]
