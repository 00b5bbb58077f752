"""Finds the names of speakers, and keeps those that somebody gave."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from engines.diarization.base import SAME_VOICE
from enhancement.artifacts import Diarized, Named, SpeakerName
from enhancement.naming.introductions import introduced_name
from enhancement.naming.labels import SpokenSpan, stable_labels
from enhancement.naming.voices import KnownVoice, recognize
from enhancement.segments import make_segments
from enhancement.stage_work import JobSession, Skipped, StageResult, StageWork


def run(work: StageWork) -> StageResult | Skipped:
    """Name speakers: as somebody named them, else as enrolled, else as they introduce themselves."""
    diarized = work.diarized
    if diarized is None:
        return Skipped("speakers were not told apart")
    labels = _labels(diarized, work.session)
    names = _given(labels, work.session)
    used = ["names that were given"] if names else []
    if work.options.names:
        for source, found in (
            ("enrolled voices", _enrolled(work, diarized)),
            ("introductions", _told(work, diarized)),
        ):
            new = {label: name for label, name in found.items() if _is_new(label, name, names)}
            names |= new
            used += [source] if new else []
    return StageResult(Named(names=names, labels=labels), ", ".join(used) or None)


def _is_new(label: str, name: SpeakerName, names: Mapping[str, SpeakerName]) -> bool:
    """Whether a speaker has no name yet, and nobody else that one."""
    return label not in names and all(
        name.name.casefold() != other.name.casefold() for other in names.values()
    )


def _labels(diarized: Diarized, session: JobSession | None) -> dict[str, str]:
    earlier = () if session is None else session.earlier
    before = [SpokenSpan(each.start, each.end, each.speaker) for each in earlier]
    return stable_labels(before, [SpokenSpan(turn.start, turn.end, turn.speaker) for turn in diarized.turns])


def _given(labels: Mapping[str, str], session: JobSession | None) -> dict[str, SpeakerName]:
    """The names that people typed, by the labels of this pass."""
    if session is None:
        return {}
    return {
        now: SpeakerName(name=session.speakers[shown], source="given")
        for now, shown in labels.items()
        if shown in session.given and session.speakers.get(shown)
    }


def _enrolled(work: StageWork, diarized: Diarized) -> dict[str, SpeakerName]:
    if diarized.model is None:
        return {}
    known = [
        KnownVoice(each.name, np.asarray(each.embedding, np.float32))
        for each in work.enrolled(diarized.model)
    ]
    voices = {label: np.asarray(voice, np.float32) for label, voice in diarized.voices.items()}
    return {
        label: SpeakerName(name=found.name, source="enrolled", score=found.score)
        for label, found in recognize(voices, known, SAME_VOICE).items()
    }


def _told(work: StageWork, diarized: Diarized) -> dict[str, SpeakerName]:
    said: dict[str, list[str]] = {}
    for segment in make_segments(work.heard, diarized, separate=work.prepared.separate):
        if segment.speaker is not None:
            said.setdefault(segment.speaker, []).append(segment.text)
    found = {label: name for label, texts in said.items() if (name := introduced_name(texts))}
    count = Counter(name.casefold() for name in found.values())
    return {
        label: SpeakerName(name=name, source="introduced")
        for label, name in found.items()
        if count[name.casefold()] == 1  # Two of one name may be one who was taken for two.
    }
