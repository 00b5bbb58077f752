"""Gives a stage its inputs from the database and the files, and keeps its output."""

import importlib
from collections.abc import Callable

import msgspec

from dalston_realtime.protocol.jobs import STAGES, EnhancedTranscript, JobOptions
from enhancement.artifacts import OUTPUTS
from enhancement.job_session import read_job_session
from enhancement.settings import EnhancerSettings
from enhancement.stage_work import BadJobInput, JobStopped, Skipped, StageResult, StageWork
from runtime.logs import get_logger
from storage.database import Database
from storage.enhanced import complete_enhanced
from storage.jobs.files import create_file, output_key
from storage.jobs.inside import JobInside, look_inside
from storage.jobs.leases import JobLeases, StageLease
from storage.jobs.speakers import SpeakerStore
from storage.recordings.store import RecordingStore

log = get_logger(__name__)


class StageRunner:
    """Runs the stages of jobs in this process."""

    def __init__(self, settings: EnhancerSettings, database: Database, files: RecordingStore) -> None:
        self._settings, self._database, self._files = settings, database, files

    def run(self, lease: StageLease, report: Callable[[float], None]) -> StageResult | Skipped:
        """Run a stage; raises what a stage may raise."""
        inside = look_inside(self._database, lease.job_id)
        if inside is None:
            raise JobStopped
        work = self._work(lease, inside, report)
        if not _is_wanted(lease.stage, work.options):
            return Skipped(f"the job was asked for with {lease.stage}=false")
        module = importlib.import_module(f"enhancement.stages.{lease.stage}")
        result: StageResult | Skipped = module.run(work)
        return result

    def save(self, lease: StageLease, result: StageResult) -> str:
        """Keep the output of a stage; its key."""
        inside = look_inside(self._database, lease.job_id)
        if inside is None:
            raise JobStopped
        key = output_key(lease.job_id, lease.stage, self._inputs(lease.stage, inside))
        with create_file(self._files, key) as file:
            file.write(msgspec.json.encode(result.output))
        return key

    def complete(self, leases: JobLeases, lease: StageLease, key: str, result: StageResult) -> bool:
        """End the job with its result, and show it in the history of its session."""
        assert isinstance(result.output, EnhancedTranscript)
        inside = look_inside(self._database, lease.job_id)
        session = None if inside is None else read_job_session(self._database, self._files, inside)
        given = {} if session is None else {label: session.speakers[label] for label in session.given}
        return complete_enhanced(self._database, leases, lease, key, result.output, given)

    def _work(self, lease: StageLease, inside: JobInside, report: Callable[[float], None]) -> StageWork:
        try:
            options = msgspec.convert(dict(inside.options), JobOptions)
        except msgspec.ValidationError as error:
            raise BadJobInput(f"the options of the job can't be read: {error}") from None
        speakers = SpeakerStore(self._database)
        return StageWork(
            job_id=lease.job_id,
            stage=lease.stage,
            options=options,
            settings=self._settings,
            files=self._files,
            report=report,
            outputs={name: self._read(name, key) for name, key in inside.outputs.items()},
            reports=inside.reports,
            session_id=inside.session_id,
            session=read_job_session(self._database, self._files, inside),
            input_key=inside.input_key,
            audio_key=output_key(lease.job_id, lease.stage, self._inputs(lease.stage, inside), "wav"),
            enrolled=lambda model: speakers.list(inside.principal, model),
        )

    def _read(self, stage: str, key: str) -> msgspec.Struct:
        return msgspec.json.decode(self._files.read(key), type=OUTPUTS[stage])

    def _inputs(self, stage: str, inside: JobInside) -> list[str]:
        """What the output of a stage follows from: the outputs before it, the options and the settings."""
        before = STAGES[: STAGES.index(stage)]
        settings = self._settings
        return [
            *(inside.outputs.get(name, "") for name in before),
            inside.input_key or inside.session_id or "",
            msgspec.json.encode(dict(inside.options), order="sorted").decode(),
            f"{settings.enhancer_model} {settings.models} {settings.llm_model} {settings.emotion_model}",
        ]


def _is_wanted(stage: str, options: JobOptions) -> bool:
    """Whether the job was asked for with a stage; names run always, since the labels of speakers stay."""
    match stage:
        case "diarize":
            return options.diarize
        case "cleanup":
            return options.cleanup or options.summary or options.action_items
        case "emotions":
            return options.emotions
    return True
