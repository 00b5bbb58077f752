"""Real enhancers with a real Redis: whatever happens to them, each job ends once, and says why."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dalston_realtime.protocol.jobs import STAGES
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.retention import SessionRemover
from storage.history.upkeep.session_files import RecordedFiles
from storage.recordings.library import Recordings
from storage.tables import LOCAL, RECORDING
from tests.support.enhancer_process import HELD, EnhancerPlace, job_processes, wait_until
from tests.support.histories import history_of, kept_session, written
from tests.support.recordings import as_pcm, recording
from tests.support.redis_fixture import RedisServer

LEASE_RUNS_OUT_S = 60.0  # Seconds until another enhancer has what one lost, its start included.


@pytest.fixture
def place(shared_redis: RedisServer, tmp_path: Path) -> Iterator[EnhancerPlace]:
    made = EnhancerPlace(shared_redis.url, tmp_path)
    yield made
    made.database.close()


def session_of(place: EnhancerPlace, *texts: str, channels: int = 1) -> str:
    """A session that is over, with a recording in which somebody speaks."""
    with history_of(place.database) as history:
        session_id = kept_session(history, 1, *texts)
        history.add_artifact(session_id, RECORDING, {"seconds": 10})
        written(history)
    speech = recording("beckett.wav")
    shifted = [np.roll(speech, 16_000 * channel) for channel in range(channels)]
    place.keep_audio(session_id, as_pcm(np.stack(shifted, axis=1).reshape(-1)), channels)
    return session_id


def shown(place: EnhancerPlace, session_id: str) -> list[str]:
    """The enhanced texts in the history."""
    reader = HistoryReader(place.database)
    row = reader.session(LOCAL, session_id)
    assert row is not None
    return [each.text for each in reader.utterances(row["number"], "enhanced")]


def test_a_file_goes_through_all_stages(place: EnhancerPlace) -> None:
    with place.enhancer() as enhancer:
        job = place.ended(place.upload())
        assert (job.status, job.reason, job.percent) == ("done", None, 100.0)
        assert [stage.name for stage in job.stages] == list(STAGES)
        assert {stage.status for stage in job.stages} <= {"done", "skipped"}
        assert all(stage.reason for stage in job.stages if stage.status == "skipped")
        result = place.result(job.job_id)
        assert result.duration == pytest.approx(9.96, abs=0.05)
        assert result.text.startswith("word1 word2")
        assert [stage.name for stage in result.stages] == list(STAGES)
        assert next(stage.used for stage in result.stages if stage.name == "transcribe") == "instant-any"
        wait_until(lambda: not job_processes(enhancer), "an idle enhancer holds a model")
        assert not [line for line in enhancer.lines if "celery" in line.lower()]
        assert enhancer.stop(5.0) == 0


def test_a_session_keeps_its_live_numbers_and_shows_the_result_in_its_history(place: EnhancerPlace) -> None:
    session_id = session_of(place, *(f"Live {n}." for n in range(9)))
    with place.enhancer():
        job = place.ended(place.jobs.create(LOCAL, {}, session_id=session_id))
    assert job.status == "done", job.reason
    result = place.result(job.job_id)
    assert result.session_id == session_id
    assert sorted({n for segment in result.segments for n in segment.utterances}) == list(range(1, 10))
    assert shown(place, session_id) == [segment.text for segment in result.segments]


def test_a_second_job_of_a_session_replaces_what_is_shown_and_keeps_both_results(
    place: EnhancerPlace,
) -> None:
    session_id = session_of(place, "Live.")
    with place.enhancer():
        first = place.ended(place.jobs.create(LOCAL, {}, session_id=session_id))
        again = place.ended(place.jobs.create(LOCAL, {"cleanup": False}, session_id=session_id))
    assert (first.status, again.status) == ("done", "done")
    assert place.result(first.job_id).text == place.result(again.job_id).text
    assert len(shown(place, session_id)) == len(place.result(again.job_id).segments)


def test_separate_channels_are_speakers(place: EnhancerPlace) -> None:
    session_id = session_of(place, "Live.", channels=2)
    with place.enhancer():
        job = place.ended(place.jobs.create(LOCAL, {}, session_id=session_id))
    result = place.result(job.job_id)
    assert {(segment.speaker, segment.channel) for segment in result.segments} == {("S1", 0), ("S2", 1)}
    assert [speaker.id for speaker in result.speakers] == ["S1", "S2"]


def test_a_session_without_speech_is_done_and_empty(place: EnhancerPlace) -> None:
    session_id = session_of(place)
    place.keep_audio(session_id, bytes(64_000))
    with place.enhancer():
        job = place.ended(place.jobs.create(LOCAL, {}, session_id=session_id))
        empty = session_of_nothing(place)
        nothing = place.ended(place.jobs.create(LOCAL, {}, session_id=empty))
    assert (job.status, nothing.status) == ("done", "done")
    result = place.result(job.job_id)
    assert (result.text, result.segments, result.duration) == ("", (), 2.0)
    assert place.result(nothing.job_id).duration == 0.0


def session_of_nothing(place: EnhancerPlace) -> str:
    with history_of(place.database) as history:
        session_id = kept_session(history, 2)
        written(history)
    place.keep_audio(session_id, b"")
    return session_id


def test_a_job_whose_recording_is_gone_fails_with_that_reason(place: EnhancerPlace) -> None:
    session_id = session_of(place, "Live.")
    place.files.delete(f"sessions/{session_id}", recursive=True)
    with place.enhancer():
        job = place.ended(place.jobs.create(LOCAL, {}, session_id=session_id))
        unknown = place.ended(place.jobs.create(LOCAL, {}, session_id="f" * 32))
    assert (job.status, job.reason) == ("failed", "prepare: the recording of the session is gone")
    assert (unknown.status, unknown.reason) == ("failed", "prepare: the session is not kept any more")


def test_a_session_that_is_deleted_during_its_job_leaves_nothing(place: EnhancerPlace) -> None:
    session_id = session_of(place, "Live.")
    place.hold("transcribe")
    with place.enhancer(HELD) as enhancer:
        job_id = place.jobs.create(LOCAL, {}, session_id=session_id)
        place.reached("transcribe")
        files = RecordedFiles(Recordings(str(place.folder)))
        assert SessionRemover(place.database, files).delete(LOCAL, session_id)
        enhancer.line("cancelled or taken over")
    assert place.jobs.read(LOCAL, job_id) is None
    assert place.files.folders("jobs") == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_is_cancelled_in_each_stage(place: EnhancerPlace, stage: str) -> None:
    session_id = session_of(place, "Live.", channels=2)
    place.hold(stage)
    with place.enhancer(HELD) as enhancer:
        job_id = place.jobs.create(LOCAL, {}, session_id=session_id)
        place.reached(stage)
        job = place.jobs.cancel(LOCAL, job_id)
        assert job is not None
        assert job.status == "cancelled"
        enhancer.line("cancelled or taken over")
    assert place.job(job_id).status == "cancelled"
    assert shown(place, session_id) == []


def test_two_enhancers_with_the_same_job_make_one_result(place: EnhancerPlace) -> None:
    place.hold("transcribe")
    with place.enhancer(HELD) as one, place.enhancer(HELD) as two:
        job_id = place.upload()
        place.reached("transcribe")
        for _ in range(3):  # As a visibility time-out that is shorter than the stage does.
            send_again(place, job_id)
        place.let_go("transcribe")
        assert place.ended(job_id).status == "done"
    assert {stage.attempt for stage in place.job(job_id).stages} == {1}
    over = [line for each in (one, two) for line in each.lines if "stage over" in line]
    assert len(over) == len(STAGES)


def send_again(place: EnhancerPlace, job_id: str) -> None:
    """Put a job into Celery's queue once more, in a process of its own, which has no other app."""
    code = (
        "import sys; from enhancement.broker_url import celery_broker\n"
        "from enhancement.celery_app import JobQueue, make_app\n"
        "JobQueue(make_app(celery_broker(sys.argv[1]))).send(sys.argv[2])"
    )
    import sys

    subprocess.run([sys.executable, "-c", code, place.redis_url, job_id], check=True, timeout=60)


def test_the_signal_gives_a_stage_back_at_once(place: EnhancerPlace) -> None:
    place.hold("transcribe")
    with place.enhancer(HELD) as enhancer:
        job_id = place.upload()
        place.reached("transcribe")
        assert enhancer.stop(5.0) == 0
    job = place.job(job_id)
    assert (job.status, [s.status for s in job.stages][:2]) == ("running", ["done", "waiting"])
    place.let_go("transcribe")
    with place.enhancer(HELD):
        assert place.ended(job_id).status == "done"
    assert {stage.attempt for stage in place.job(job_id).stages} == {1}


def test_a_job_whose_process_is_killed_is_tried_again(place: EnhancerPlace) -> None:
    place.hold("transcribe")
    with place.enhancer(HELD) as enhancer:
        job_id = place.upload()
        place.reached("transcribe")
        (child,) = job_processes(enhancer)
        child.kill()
        enhancer.line("ended by a fault")
        place.let_go("transcribe")
        assert place.ended(job_id).status == "done"
    assert next(s.attempt for s in place.job(job_id).stages if s.name == "transcribe") == 2


def test_an_enhancer_that_is_killed_gives_its_job_to_another(place: EnhancerPlace) -> None:
    place.hold("transcribe")
    with place.enhancer(HELD) as enhancer:
        job_id = place.upload()
        place.reached("transcribe")
        os.kill(enhancer.pid, signal.SIGKILL)
        enhancer.wait()
        place.let_go("transcribe")
    with place.enhancer(HELD):
        assert place.ended(job_id).status == "done"
    assert place.result(job_id).text


def test_a_machine_that_is_gone_loses_its_job_to_another(place: EnhancerPlace) -> None:
    place.hold("transcribe")
    with place.enhancer(HELD) as gone:
        job_id = place.upload()
        place.reached("transcribe")
        gone.kill()  # With the process of the job, so nobody gives it back.
    place.let_go("transcribe")
    with place.enhancer(HELD):
        assert place.ended(job_id, LEASE_RUNS_OUT_S).status == "done"
    assert next(s.attempt for s in place.job(job_id).stages if s.name == "transcribe") == 2


def test_a_redis_that_forgets_all_costs_no_job(own_redis: RedisServer, tmp_path: Path) -> None:
    place = EnhancerPlace(own_redis.url, tmp_path)
    place.hold("transcribe")
    with place.enhancer(HELD):
        held = place.upload()
        place.reached("transcribe")
        waiting = [place.upload() for _ in range(2)]
        own_redis.empty()
        place.let_go("transcribe")
        assert [place.ended(job_id).status for job_id in (held, *waiting)] == ["done"] * 3
    place.database.close()


def test_a_stage_that_always_fails_fails_the_job_with_the_reason(place: EnhancerPlace) -> None:
    with place.enhancer(enhancer_model="faulty:raise:0:instant:any"):
        job = place.ended(place.upload())
    assert job.status == "failed"
    assert job.reason == "transcribe: RuntimeError: the device answers nothing"


def test_a_full_disk_fails_the_job_and_loses_no_recording(shared_redis: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if (
        os.getuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("a small disk needs the right to mount one")
    try:
        place = EnhancerPlace(shared_redis.url, tmp_path)
        speech = np.tile(recording("beckett.wav"), 30)  # 5 minutes, 9.6 MB once it is decoded.
        soundfile.write(tmp_path / "long.flac", np.zeros_like(speech), 16_000)
        place.files = type(place.files)(str(folder))
        place.jobs = type(place.jobs)(place.database, place.files)
        with place.enhancer(recordings_url=str(folder)):
            job_id = place.upload(tmp_path / "long.flac")
            job = place.ended(job_id)
            assert job.status == "failed"
            assert "No space left on device" in (job.reason or "")
            other = place.ended(place.upload())
            assert other.status == "done", other.reason
        place.database.close()
    finally:
        subprocess.run(["umount", folder], check=True)
