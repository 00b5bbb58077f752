"""A whole server hears a file again, and what it found is there."""

from pathlib import Path

from dalston_realtime.protocol.jobs import ENDED, EnhancedTranscript
from runtime.local_server import READY, LocalServer
from tests.support.enhancer_process import EnhancerPlace, wait_until
from tests.support.speech import BECKETT, word_error_rate

DONE_S = 100.0  # Seconds: the models of live sessions are loaded at the same time.


def heard_by(place: EnhancerPlace) -> EnhancedTranscript:
    """What the server finds in a file of ten seconds."""
    job_id = place.upload()
    wait_until(lambda: place.job(job_id).status in ENDED, "the job has not ended", DONE_S)
    job = place.job(job_id)
    assert job.status == "done", job.reason
    return place.result(job_id)


def test_make_run_makes_transcripts_of_files(tmp_path: Path) -> None:
    server = LocalServer(tmp_path)
    try:
        server.wait_for(READY)
        place = EnhancerPlace("", tmp_path / "data")
        result = heard_by(place)
        place.database.close()
    finally:
        server.stop()
    assert word_error_rate(BECKETT, result.text) < 0.2
    assert {stage.status for stage in result.stages} <= {"done", "skipped"}
    assert [line for line in server.log if "enhancer ready" in line]
    assert not [line for line in server.log if "Traceback" in line]
