"""Defines the interface of a stage: what it gets, what it gives, and what it raises.

    def run(work: StageWork) -> StageResult | Skipped

A stage runs in a process of its own for the job, calls `work.report` at least every few seconds, and keeps
nothing behind. It may be run again at any time, also twice at once: the same input makes the same output.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from dalston_realtime.protocol.jobs import JobOptions, StageReport
from enhancement.artifacts import Cleaned, Diarized, Emotions, Heard, Named, Prepared
from enhancement.audio_reader import AudioReader
from enhancement.settings import EnhancerSettings
from storage.jobs.speakers import EnrolledSpeaker
from storage.recordings.store import RecordingStore

A = TypeVar("A", bound=msgspec.Struct)


class JobStopped(Exception):
    """The job was cancelled, or its lease was lost, or this process ends: the stage leaves at once."""


class BadJobInput(Exception):
    """The input can't become a transcript, however often it is tried; the message says why."""


class NotReadyYet(Exception):
    """What the stage needs is not there yet; it is begun again after `wait_s` seconds."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class StageResult:
    """A stage is done; `used` names the model or server that it used."""

    output: msgspec.Struct
    used: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stage can't or need not run; the reason says what to install or set."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUtterance:
    """What was heard live; `number` counts in its channel."""

    number: int
    start: float | None
    end: float | None
    text: str
    channel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierUtterance:
    """What an earlier job found in the same session, with the label of its speaker."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSession:
    """The session whose recording is enhanced.

    `speakers` are names by label as they are shown now. `given` has the labels whose name a person typed.
    `earlier` is what the enhanced transcript has that is shown now, and `over_s` how many seconds ago the
    session ended, None while it runs.
    """

    id: str
    over_s: float | None = None
    has_audio: bool = False
    language: str | None = None
    speakers: Mapping[str, str] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    live: tuple[LiveUtterance, ...] = ()
    earlier: tuple[EarlierUtterance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """The work of one stage of one job.

    - outputs: what the stages before it made, by their names; what was skipped or failed is not there.
    - session_id, session: the session whose recording it is; `session` is None where it is not kept any more.
    - input_key: the uploaded file in `files`, None for a session's recording.
    - audio_key: where a stage may write audio of its own; it follows from the input.
    - report: says how far it is, 0 to 100; raises `JobStopped`, which is not to be caught.
    - enrolled: the voices that the job's owner has enrolled, by the model of the embeddings.
    """

    job_id: str
    stage: str
    options: JobOptions
    settings: EnhancerSettings
    files: RecordingStore
    report: Callable[[float], None]
    outputs: Mapping[str, msgspec.Struct] = field(default_factory=dict)
    reports: tuple[StageReport, ...] = ()
    session_id: str | None = None
    session: JobSession | None = None
    input_key: str | None = None
    audio_key: str = ""
    enrolled: Callable[[str], list[EnrolledSpeaker]] = lambda _model: []

    def output(self, stage: str, kind: type[A]) -> A | None:
        """What a stage before this one made, if it was run."""
        found = self.outputs.get(stage)
        return found if isinstance(found, kind) else None

    @property
    def prepared(self) -> Prepared:
        """The audio, for all stages behind prepare."""
        return self._needed("prepare", Prepared)

    @property
    def heard(self) -> Heard:
        """The text, for all stages behind transcribe."""
        return self._needed("transcribe", Heard)

    @property
    def diarized(self) -> Diarized | None:
        """Who speaks when, where that is known."""
        return self.output("diarize", Diarized)

    @property
    def named(self) -> Named | None:
        """The names of speakers, where they are known."""
        return self.output("names", Named)

    @property
    def cleaned(self) -> Cleaned | None:
        """The cleaned texts, where there are some."""
        return self.output("cleanup", Cleaned)

    @property
    def emotions(self) -> Emotions | None:
        """The emotions, where they are known."""
        return self.output("emotions", Emotions)

    def open_audio(self) -> AudioReader:
        """The prepared audio, to be closed by whoever opens it."""
        prepared = self.prepared
        return AudioReader(self.files.open(prepared.audio_key), prepared.gain)

    def _needed(self, stage: str, kind: type[A]) -> A:
        found = self.output(stage, kind)
        assert found is not None, f"{self.stage} runs before {stage}"
        return found
