"""A job belongs to a principal and is made once; the end of a session makes its own."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from dalston_realtime.protocol.jobs import STAGES, JobOptions
from storage.database import Database
from storage.history.upkeep.record_sweeper import RecordSweeper, SweepTimes
from storage.history.upkeep.retention import SessionRemover
from storage.jobs.creating import session_job_id
from storage.jobs.files import create_file, input_key, job_folder, output_key
from storage.jobs.removal import JobRemover
from storage.jobs.store import JobStore
from storage.jobs.tables import JobRecord, JobStageRecord
from storage.recordings.errors import BadSessionId
from storage.recordings.store import RecordingStore
from storage.tables import LOCAL
from tests.support.histories import NOON, MemoryFiles, MovedClock, begun, history_of, kept_session, written
from tests.support.job_rooms import JobRoom


@pytest.fixture
def room(database: Database) -> JobRoom:
    return JobRoom(database)


def jobs_of(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(JobRecord.id).order_by(JobRecord.created_at)).scalars())


def test_a_new_job_waits_with_all_of_its_stages(room: JobRoom) -> None:
    job = room.job(room.store.create(LOCAL, JobOptions(diarize=False, speakers=2)))
    assert (job.status, job.percent, job.created) == ("queued", 0.0, "2026-05-04T12:00:00.000Z")
    assert job.options == {"diarize": False, "speakers": 2}
    assert [(stage.name, stage.status) for stage in job.stages] == [(name, "waiting") for name in STAGES]


def test_the_same_id_makes_one_job(room: JobRoom) -> None:
    job_id = room.store.create(LOCAL, {"names": False}, job_id="job_" + "a" * 32)
    assert room.store.create(LOCAL, {}, job_id=job_id) == job_id
    assert room.job(job_id).options == {"names": False}
    assert len(room.store.list(LOCAL)) == 1


def test_nobody_sees_the_jobs_of_another(room: JobRoom) -> None:
    job_id = room.store.create("somebody", {})
    assert room.store.read(LOCAL, job_id) is None
    assert room.store.cancel(LOCAL, job_id) is None
    assert room.store.list(LOCAL) == []
    assert room.store.read("somebody", job_id) is not None


def test_a_session_may_be_enhanced_again(room: JobRoom) -> None:
    first = room.store.create(LOCAL, {}, session_id="a" * 32)
    room.seconds = 1
    second = room.store.create(LOCAL, {"cleanup": False}, session_id="a" * 32)
    assert (first, second) == (session_job_id("a" * 32), session_job_id("a" * 32, 2))
    assert [job.job_id for job in room.store.list(LOCAL, session_id="a" * 32)] == [second, first]


def test_the_end_of_a_session_makes_the_job_that_it_asked_for(database: Database) -> None:
    with history_of(database) as history:
        session_id = kept_session(history, 1, "Hello.", enhance={"cleanup": False})
        kept_session(history, 2, "Hello.")
        written(history)
    assert jobs_of(database) == [session_job_id(session_id)]
    job = JobStore(database).read(LOCAL, session_job_id(session_id))
    assert job is not None
    assert (job.session_id, job.options) == (session_id, {"cleanup": False})


def test_no_job_is_made_before_the_end(database: Database) -> None:
    with history_of(database) as history:
        begun(history, "a" * 32, enhance={}).follow(audio_seconds=1.0)
        written(history)
    assert jobs_of(database) == []


def test_a_session_that_ends_twice_has_one_job(database: Database) -> None:
    with history_of(database) as history:
        kept = begun(history, "a" * 32, enhance={})
        for _ in range(2):
            kept.finish("ended", "normal", audio_seconds=1.0)
            written(history)
        history.add_artifact("a" * 32, "audio", {})
        written(history)
    assert jobs_of(database) == [session_job_id("a" * 32)]


def test_the_sweeper_makes_the_job_of_a_session_that_was_lost(database: Database) -> None:
    clock = MovedClock()
    with history_of(database, clock) as history:
        begun(history, "a" * 32, enhance={"names": False})
        written(history)
    sweeper = RecordSweeper(database, clock.monotonic, SweepTimes(1.0, 2.0), clock.now)
    sweeper.sweep()
    clock.seconds = 3.0
    assert sweeper.sweep().lost == ("a" * 32,)
    assert jobs_of(database) == [session_job_id("a" * 32)]


def test_a_session_that_is_deleted_takes_its_jobs_along(database: Database) -> None:
    files = MemoryFiles()
    with history_of(database) as history:
        session_id = kept_session(history, 1, "Hello.", enhance={})
        written(history)
    room = JobRoom(database)
    lease = room.take(session_job_id(session_id))
    assert SessionRemover(database, files).delete(LOCAL, session_id)
    assert files.deleted == [session_id, session_job_id(session_id)]
    assert jobs_of(database) == []
    assert not room.leases.beat(lease, 10.0)
    with database.reading() as connection:
        assert connection.execute(select(JobStageRecord)).all() == []


def test_the_result_is_there_once_the_job_is_done(database: Database, tmp_path: Path) -> None:
    room = JobRoom(database)
    files = RecordingStore(str(tmp_path))
    store = JobStore(database, files, room.now)
    job_id = store.create(LOCAL, {})
    key = output_key(job_id, "merge", ["a"])
    with create_file(files, key) as file:
        file.write(b"{}")
    lease = room.finish_until(job_id, "merge")
    assert store.result(LOCAL, job_id) is None
    assert room.leases.complete(lease, key)
    assert store.result(LOCAL, job_id) == b"{}"
    assert store.result("somebody", job_id) is None
    files.delete(key)
    assert store.result(LOCAL, job_id) is None


def test_the_jobs_of_uploads_are_kept_as_long_as_the_setting_says(database: Database, tmp_path: Path) -> None:
    room = JobRoom(database)
    files = RecordingStore(str(tmp_path))
    job_id, other = (room.store.create(LOCAL, {}) for _ in range(2))
    of_session = room.store.create(LOCAL, {}, session_id="a" * 32)
    with create_file(files, input_key(job_id, ".mp3")) as file:
        file.write(b"x")
    room.store.cancel(LOCAL, job_id)
    room.store.cancel(LOCAL, of_session)
    remover = JobRemover(database, files, lambda: NOON + timedelta(days=8))
    assert remover.purge(None) == 0
    assert remover.purge(9.0) == 0
    assert remover.purge(7.0) == 1
    assert sorted(jobs_of(database)) == sorted([other, of_session])
    assert files.folders("jobs") == []


def test_files_without_a_job_are_deleted_at_the_second_look(database: Database, tmp_path: Path) -> None:
    files = RecordingStore(str(tmp_path))
    room = JobRoom(database)
    job_id = room.store.create(LOCAL, {})
    uploaded = "job_" + "b" * 32
    for key in (input_key(job_id), input_key(uploaded), "jobs/something/else"):
        with create_file(files, key) as file:
            file.write(b"x")
    remover = JobRemover(database, files)
    assert remover.sweep_files() == 0
    assert remover.sweep_files() == 1
    assert sorted(files.folders("jobs")) == sorted([job_id, "something"])
    assert remover.delete(LOCAL, job_id)
    assert files.folders("jobs") == ["something"]


@pytest.mark.parametrize("job_id", ["", "job_", "../sessions", "job_" + "A" * 32, "job_" + "a" * 33])
def test_what_is_no_id_names_no_folder(job_id: str) -> None:
    with pytest.raises(BadSessionId):
        job_folder(job_id)


def test_a_suffix_does_not_lead_elsewhere() -> None:
    job_id = "job_" + "a" * 32
    assert input_key(job_id, ".MP3") == f"jobs/{job_id}/input.MP3"
    assert input_key(job_id, "/../../x") == f"jobs/{job_id}/input"
