"""Runs stages of the batch pipeline in this process, without a job in a database."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from dalston_realtime.protocol.jobs import JobOptions
from enhancement.settings import EnhancerSettings
from enhancement.stage_work import Skipped, StageWork
from storage.jobs.creating import new_job_id
from storage.jobs.inputs import JobInputs
from storage.jobs.speakers import EnrolledSpeaker
from storage.recordings.store import RecordingStore
from storage.recordings.wav import joined_format


def run_stages(
    pcm: bytes,
    stages: Sequence[str],
    folder: Path,
    settings: EnhancerSettings,
    enrolled: Sequence[EnrolledSpeaker] = (),
    **options: Any,
) -> StageWork:
    """The work behind the last of the stages, with the output of each, for 16 kHz mono s16le.

    Files are made in `folder`. A stage that is skipped has no output.
    """
    job_id, form, files = new_job_id(), joined_format(1), RecordingStore(str(folder))
    content = form.header(len(pcm) // form.frame_bytes) + pcm
    work = StageWork(
        job_id=job_id,
        stage=stages[0],
        options=JobOptions(**options),
        settings=settings,
        files=files,
        report=lambda _percent: None,
        input_key=JobInputs(files).save(job_id, BytesIO(content), ".wav"),
        audio_key=f"jobs/{job_id}/prepare.wav",
        enrolled=lambda model: [each for each in enrolled if each.model == model],
    )
    for stage in stages:
        result = import_module(f"enhancement.stages.{stage}").run(replace(work, stage=stage))
        if not isinstance(result, Skipped):
            work = replace(work, outputs={**work.outputs, stage: result.output})
    return work
