"""Checks which names the pipeline gives to enrolled voices and guests, and whom it gives their words."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.measure.speaker_words import speaker_word_errors
from bench.measure.stage_chain import run_stages
from bench.recordings.conversation import ConversationTurn, SpokenConversation
from bench.recordings.recording import TextRecording
from engines.diarization.catalog import load_diarizer
from enhancement.enroll import voice_print
from enhancement.segments import DraftSegment, make_segments
from enhancement.settings import EnhancerSettings
from storage.jobs.speakers import EnrolledSpeaker
from storage.recordings.wav import joined_format

STAGES: Final = ("prepare", "transcribe", "diarize", "names")
COLUMNS: Final = ("Turn", "Said by", "Named", "Words", "Errors")


@dataclass(frozen=True, slots=True)
class NamedTurn:
    """A turn, the name that it should have, and that of most of its time; None is no name."""

    speaker: str
    wanted: str | None
    named: str | None
    words: int
    errors: int

    @property
    def right(self) -> bool:
        """Whether the name is the speaker's, or a guest has none."""
        return self.named == self.wanted


@dataclass(frozen=True, slots=True)
class NamedConversation:
    """The turns, the words of all of them, and how many are wrong or given to somebody else (cpWER).

    `scores` are how alike named voices are to the enrolled ones.
    """

    turns: tuple[NamedTurn, ...]
    words: int
    speaker_errors: int
    speakers: int
    scores: Mapping[str, float]


def name_speakers(talk: SpokenConversation, settings: EnhancerSettings) -> NamedConversation:
    """What the pipeline makes of the conversation."""
    with TemporaryDirectory(prefix="dalston-enhance-") as folder:
        enrolled = [enrol(name, each) for name, each in talk.enrolled.items()]
        work = run_stages(talk.pcm, STAGES, Path(folder), settings, enrolled)
    segments = make_segments(work.heard, work.diarized, work.named)
    named = work.named.names if work.named is not None else {}
    names = {label: each.name for label, each in named.items()}
    scores = {each.name: each.score for each in named.values() if each.score is not None}
    return judge(talk, segments, names, scores)


def enrol(name: str, recording: TextRecording) -> EnrolledSpeaker:
    """A person's voice, as the server keeps it."""
    form = joined_format(1)
    content = form.header(len(recording.pcm) // form.frame_bytes) + recording.pcm
    found = voice_print(BytesIO(content), load_diarizer())
    return EnrolledSpeaker(name, name, found.embedding, found.model, datetime.now(UTC))


def judge(
    talk: SpokenConversation,
    segments: Sequence[DraftSegment],
    names: Mapping[str, str],
    scores: Mapping[str, float],
) -> NamedConversation:
    """How right segments are whose speakers have `names` by their labels."""
    said = _texts((turn.speaker, turn.text) for turn in talk.turns)
    heard = _texts((segment.speaker or "", segment.text) for segment in segments)
    errors, words = speaker_word_errors(said, heard)
    return NamedConversation(
        tuple(
            _named(turn, turn.speaker if turn.speaker in talk.enrolled else None, segments, names)
            for turn in talk.turns
        ),
        words,
        errors,
        len(heard),
        dict(scores),
    )


def _named(
    turn: ConversationTurn, wanted: str | None, segments: Sequence[DraftSegment], names: Mapping[str, str]
) -> NamedTurn:
    seconds: dict[str | None, float] = defaultdict(float)
    inside = [segment for segment in segments if turn.start <= (segment.start + segment.end) / 2 < turn.end]
    for segment in inside:
        seconds[names.get(segment.speaker or "")] += segment.end - segment.start
    named = max(seconds, key=lambda name: seconds[name], default=None)
    errors, words = speaker_word_errors({"": turn.text}, _texts(("", segment.text) for segment in inside))
    return NamedTurn(turn.speaker, wanted, named, words, errors)


def _texts(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """All that each speaker says."""
    found: dict[str, list[str]] = defaultdict(list)
    for speaker, text in parts:
        found[speaker].append(text)
    return {speaker: " ".join(texts) for speaker, texts in found.items()}


def name_rows(found: NamedConversation) -> list[list[str]]:
    """A row for each turn."""
    return [
        [str(number), turn.speaker, turn.named or "nobody", str(turn.words), str(turn.errors)]
        for number, turn in enumerate(found.turns, 1)
    ]
