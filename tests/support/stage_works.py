"""Makes the work of a stage of a job for tests, without a database and without audio."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dalston_realtime.protocol.jobs import JobOptions
from enhancement.artifacts import Diarized, Heard, HeardPiece, Prepared, SpeakerTurn
from enhancement.settings import EnhancerSettings
from enhancement.stage_work import JobSession, StageWork
from storage.jobs.speakers import EnrolledSpeaker
from storage.recordings.store import RecordingStore
from tests.support.histories import NOON

MODEL = "voices"


def heard(*texts: str) -> Heard:
    """Texts of two seconds each, one behind the other with a second between them."""
    pieces = (HeardPiece(start=3.0 * at, end=3.0 * at + 2, text=text) for at, text in enumerate(texts))
    return Heard(pieces=tuple(pieces))


def diarized(speakers: Sequence[str], voices: Mapping[str, Sequence[float]] | None = None) -> Diarized:
    """Who says each of the texts; voices are made as long as one."""
    turns = (SpeakerTurn(start=3.0 * at, end=3.0 * at + 2, speaker=who) for at, who in enumerate(speakers))
    found = {label: _unit(voice) for label, voice in (voices or {}).items()}
    return Diarized(turns=tuple(turns), voices=found, model=MODEL)


def _unit(voice: Sequence[float]) -> tuple[float, ...]:
    length = float(np.linalg.norm(voice))
    return tuple(each / length for each in voice)


def enrolled(name: str, *voice: float) -> EnrolledSpeaker:
    """A person whose voice is known."""
    return EnrolledSpeaker(f"spk_{name}", name, _unit(voice), MODEL, NOON)


def stage_work(
    folder: Path,
    stage: str,
    outputs: Mapping[str, msgspec.Struct],
    *,
    options: JobOptions | None = None,
    session: JobSession | None = None,
    known: Sequence[EnrolledSpeaker] = (),
    **settings: Any,
) -> StageWork:
    """The work of a stage behind these outputs."""
    return StageWork(
        job_id=f"job_{0:032x}",
        stage=stage,
        options=options or JobOptions(),
        settings=EnhancerSettings(**settings),
        files=RecordingStore(str(folder)),
        report=lambda _percent: None,
        outputs={"prepare": Prepared(audio_key="none.wav", seconds=60.0), **outputs},
        session=session,
        enrolled=lambda model: [each for each in known if each.model == model],
    )
