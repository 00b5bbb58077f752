"""A stage belongs to one enhancer at a time, whatever happens to it."""

import threading

import pytest

from dalston_realtime.protocol.jobs import STAGES
from storage.database import Database
from storage.jobs.leases import BACKOFF_S, StageLease
from storage.tables import LOCAL
from tests.support.job_rooms import LEASE_S, MAX_ATTEMPTS, JobRoom


@pytest.fixture
def room(database: Database) -> JobRoom:
    return JobRoom(database)


def test_the_stages_are_given_out_in_their_order(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    given = []
    for _ in STAGES[:-1]:
        lease = room.take(job_id)
        given.append(lease.stage)
        room.leases.finish(lease, "key")
    last = room.take(job_id)
    assert room.leases.complete(last, "result", "a model")
    assert (*given, last.stage) == STAGES
    job = room.job(job_id)
    assert (job.status, job.percent, job.stage) == ("done", 100.0, None)
    assert room.leases.take_stage(job_id, "one") is None


def test_of_two_enhancers_one_has_the_stage(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    room.take(job_id)
    assert room.leases.take_stage(job_id, "two") is None
    assert not room.sending.can_be_taken(job_id)


def test_of_many_that_ask_at_once_one_has_the_stage(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    found: list[StageLease | None] = []

    def ask(owner: str) -> None:
        found.append(room.leases.take_stage(job_id, owner))

    threads = [threading.Thread(target=ask, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 8
    assert len([lease for lease in found if lease]) == 1


def test_what_comes_twice_changes_nothing(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    lease = room.take(job_id)
    assert room.leases.finish(lease, "first")
    assert not room.leases.finish(lease, "second")
    assert not room.leases.fail(lease, "late", final=True)
    assert not room.leases.release(lease)
    assert not room.leases.beat(lease, 1.0)
    assert room.status(job_id, "prepare") == "done"


def test_a_lost_lease_is_given_to_another_and_its_owner_comes_too_late(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    lost = room.take(job_id, "one")
    room.seconds = LEASE_S + 1
    assert room.sending.claim_due(queue_is_empty=False) == [job_id]
    found = room.take(job_id, "two")
    assert (found.stage, found.attempt) == ("prepare", 2)
    assert not room.leases.finish(lost, "key")
    assert room.leases.finish(found, "key")


def test_a_heartbeat_keeps_the_lease_and_shows_how_far_it_is(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    lease = room.finish_until(job_id, "transcribe")
    for _ in range(10):
        room.seconds += LEASE_S - 1
        assert room.leases.beat(lease, 40.0)
        assert room.leases.take_stage(job_id, "two") is None
    job = room.job(job_id)
    assert (job.stage, job.percent) == ("transcribe", 5.0 + 0.4 * 50.0)
    assert room.sending.claim_due(queue_is_empty=True) == []


def test_a_stage_whose_enhancers_are_all_lost_fails_the_job_with_the_reason(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    for _ in range(MAX_ATTEMPTS):
        room.take(job_id)
        room.seconds += LEASE_S + 1
    assert room.sending.claim_due(queue_is_empty=True) == []
    job = room.job(job_id)
    assert job.status == "failed"
    assert job.reason == "prepare: the enhancer was lost 3 times in this stage"
    assert [stage.status for stage in job.stages] == ["failed", *["cancelled"] * 6]


def test_a_fault_is_tried_again_later_and_then_fails_the_job(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    for attempt in range(1, MAX_ATTEMPTS):
        assert room.leases.fail(room.take(job_id), "no memory", final=False)
        assert room.sending.claim_due(queue_is_empty=True) == []
        room.seconds += BACKOFF_S * 2 ** (attempt - 1)
        assert room.sending.claim_due(queue_is_empty=True) == [job_id]
    assert room.leases.fail(room.take(job_id), "no memory", final=False)
    assert (room.job(job_id).status, room.job(job_id).reason) == ("failed", "prepare: no memory")


def test_bad_input_fails_at_once(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    assert room.leases.fail(room.take(job_id), "it has no audio", final=True)
    assert (room.job(job_id).status, room.job(job_id).reason) == ("failed", "prepare: it has no audio")


@pytest.mark.parametrize("stage", ["diarize", "names", "cleanup", "emotions"])
def test_the_job_goes_on_without_a_stage_that_it_does_not_need(room: JobRoom, stage: str) -> None:
    job_id = room.store.create(LOCAL, {})
    assert room.leases.fail(room.finish_until(job_id, stage), "its model is broken", final=True)
    room.finish_all(job_id)
    job = room.job(job_id)
    assert job.status == "done"
    assert [(s.status, s.reason) for s in job.stages if s.name == stage] == [
        ("failed", "its model is broken")
    ]


def test_a_skipped_stage_says_why(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    assert room.leases.skip(room.finish_until(job_id, "cleanup"), "no LLM is set")
    room.finish_all(job_id)
    assert ("skipped", "no LLM is set") in [(s.status, s.reason) for s in room.job(job_id).stages]


def test_a_stage_that_is_given_back_is_no_attempt(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    for _ in range(2 * MAX_ATTEMPTS):
        lease = room.take(job_id)
        assert lease.attempt == 1
        assert room.leases.release(lease)
        assert room.sending.claim_due(queue_is_empty=False) == [job_id]


def test_a_stage_that_has_to_wait_waits(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    assert room.leases.release(room.take(job_id), wait_s=10, reason="the recording is not joined yet")
    assert room.sending.claim_due(queue_is_empty=True) == []
    assert not room.sending.can_be_taken(job_id)
    room.seconds = 10
    assert room.sending.claim_due(queue_is_empty=True) == [job_id]


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_can_be_cancelled_in_each_stage(room: JobRoom, stage: str) -> None:
    job_id = room.store.create(LOCAL, {})
    lease = room.finish_until(job_id, stage)
    job = room.store.cancel(LOCAL, job_id)
    assert job is not None
    assert job.status == "cancelled"
    assert not room.leases.beat(lease, 50.0)
    assert not room.leases.complete(lease, "result")
    assert room.leases.take_stage(job_id, "two") is None
    room.seconds = 1_000
    assert room.sending.claim_due(queue_is_empty=True) == []
    assert room.job(job_id).status == "cancelled"


def test_a_job_that_is_done_stays_done_when_it_is_cancelled(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {})
    room.finish_all(job_id)
    job = room.store.cancel(LOCAL, job_id)
    assert job is not None
    assert job.status == "done"
