"""Defines the job of the batch pipeline and the transcript that it makes, as clients read them.

Times are seconds from the begin of the recording, which is the session's audio clock, so live and enhanced
text can be laid side by side. A field that is not known is None here and left out of the JSON.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from dalston_realtime.protocol.events import Count

JobStatus: TypeAlias = Literal["queued", "running", "done", "failed", "cancelled"]
"""`queued` and `running` go on by themselves; the other three are ends."""

StageStatus: TypeAlias = Literal["waiting", "running", "done", "skipped", "failed", "cancelled"]
"""`skipped`: it could not or should not run, the job goes on without it; `reason` says why."""

NameSource: TypeAlias = Literal["given", "enrolled", "introduced"]
"""Who named a speaker: a person, an enrolled voice, or the speaker in the text ("this is Maria")."""

STAGES: Final = (
    "prepare",
    "transcribe",
    "diarize",
    "names",
    "cleanup",
    "emotions",
    "merge",
)
"""The stages of a job, in their order."""

ENDED: Final[frozenset[JobStatus]] = frozenset({"done", "failed", "cancelled"})
"""The states of a job that do not change any more."""


class SpokenWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One word of an enhanced segment; `confidence` is 0 to 1, `speaker` the `id` of an `EnhancedSpeaker`."""

    word: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = None
    speaker: str | None = None


class Emotion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a classifier hears in the voice: a label of its model, with its probability."""

    label: str
    score: float


class EnhancedSegment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one speaker says without a long pause.

    `text` is what to show; `raw_text` is what the model heard, where the clean-up changed it. `utterances`
    are the numbers of the live utterances of its `channel` whose time it covers: a page replaces their text
    by it. `overlap`: somebody else speaks at the same time.
    """

    id: Count
    start: float
    end: float
    text: str
    raw_text: str | None = None
    speaker: str | None = None
    channel: Count | None = None
    utterances: tuple[Count, ...] = ()
    overlap: bool = False
    words: tuple[SpokenWord, ...] = ()
    language: str | None = None
    emotion: Emotion | None = None


class EnhancedSpeaker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One voice of the recording; `id` (`S1`, `S2`, ...) counts by the first word of each.

    `score` is the cosine similarity to the enrolled voice, where the name comes from one.
    """

    id: str
    name: str | None = None
    name_source: NameSource | None = None
    score: float | None = None
    speech_seconds: float | None = None


class StageReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one stage; `used` names the model or server that it used."""

    name: str
    status: StageStatus
    percent: float | None = None
    reason: str | None = None
    used: str | None = None
    seconds: float | None = None
    attempt: Count | None = None


class EnhancedTranscript(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result of a job."""

    job_id: str
    text: str
    duration: float
    session_id: str | None = None
    language: str | None = None
    segments: tuple[EnhancedSegment, ...] = ()
    speakers: tuple[EnhancedSpeaker, ...] = ()
    stages: tuple[StageReport, ...] = ()
    summary: str | None = None
    action_items: tuple[str, ...] | None = None


class BatchJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job as `GET /v1/audio/transcriptions/{job_id}` answers; `percent` is of the whole, 0 to 100.

    `session_id` names the session whose recording it enhances, and `result` is there once it is `done`.
    """

    job_id: str
    status: JobStatus
    percent: float
    created: str
    session_id: str | None = None
    stage: str | None = None
    reason: str | None = None
    ended: str | None = None
    options: dict[str, Any] | None = None
    stages: tuple[StageReport, ...] = ()
    result: EnhancedTranscript | None = None


class JobOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a client may choose for a job; None leaves it to the server.

    `model` is a variant or an engine and checkpoint of `DALSTON_MODELS`' form. A stage that is False is not
    run. `speakers` says how many people speak, where that is known.
    """

    model: str | None = None
    language: str | None = None
    diarize: bool = True
    names: bool = True
    cleanup: bool = True
    emotions: bool = True
    summary: bool = False
    action_items: bool = False
    speakers: Count | None = None
