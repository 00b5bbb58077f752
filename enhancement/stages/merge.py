"""Makes the transcript that is shown of what all stages found, and ties it to what was heard live."""

from collections.abc import Sequence

from dalston_realtime.protocol.jobs import (
    Emotion,
    EnhancedSegment,
    EnhancedSpeaker,
    EnhancedTranscript,
    StageReport,
)
from enhancement.artifacts import Diarized, Named
from enhancement.segments import DraftSegment, make_segments
from enhancement.stage_work import LiveUtterance, StageResult, StageWork

SHARE = 0.5  # Share of the shorter of two that must be common for a segment to cover a live utterance.


def run(work: StageWork) -> StageResult:
    """Merge all that there is."""
    prepared = work.prepared
    drafts = make_segments(work.heard, work.diarized, work.named, separate=prepared.separate)
    covered = live_numbers(drafts, work.session.live if work.session is not None else ())
    cleaned, emotions = work.cleaned, work.emotions
    texts = {} if cleaned is None else cleaned.texts
    feelings = {} if emotions is None else emotions.emotions
    segments = tuple(
        _segment(draft, covered[draft.id], texts.get(draft.id), feelings.get(draft.id)) for draft in drafts
    )
    return StageResult(
        EnhancedTranscript(
            job_id=work.job_id,
            session_id=work.session_id,
            text=" ".join(segment.text for segment in segments),
            duration=round(prepared.seconds, 3),
            language=work.heard.language,
            segments=segments,
            speakers=_speakers(drafts, work.diarized, work.named),
            stages=tuple(_shown(report) for report in work.reports),
            summary=None if cleaned is None else cleaned.summary,
            action_items=None if cleaned is None else cleaned.action_items,
        )
    )


def _shown(report: StageReport) -> StageReport:
    """The report of a stage; this one's own says that it is done, since its result is read only then."""
    return StageReport(name=report.name, status="done") if report.name == "merge" else report


def _segment(
    draft: DraftSegment, utterances: tuple[int, ...], cleaned: str | None, emotion: Emotion | None
) -> EnhancedSegment:
    is_changed = cleaned is not None and cleaned != draft.text
    return EnhancedSegment(
        id=draft.id,
        start=draft.start,
        end=draft.end,
        text=draft.text if cleaned is None else cleaned,
        raw_text=draft.text if is_changed else None,
        speaker=draft.speaker,
        channel=draft.channel,
        utterances=utterances,
        overlap=draft.overlap,
        words=draft.words,
        language=draft.language,
        emotion=emotion,
    )


def live_numbers(drafts: Sequence[DraftSegment], live: Sequence[LiveUtterance]) -> dict[int, tuple[int, ...]]:
    """The live utterances that each segment covers, by its id.

    Each utterance is covered by all segments that share half of the shorter of the two with it, or else by
    the one that shares most.
    """
    found: dict[int, list[int]] = {draft.id: [] for draft in drafts}
    for utterance in live:
        shares = {
            draft.id: share
            for draft in drafts
            if (draft.channel or 0) == utterance.channel and (share := _share(draft, utterance)) > 0
        }
        covering = [key for key, share in shares.items() if share >= SHARE] or sorted(
            shares, key=lambda key: -shares[key]
        )[:1]
        for key in covering:
            found[key].append(utterance.number)
    return {key: tuple(sorted(numbers)) for key, numbers in found.items()}


def _share(draft: DraftSegment, utterance: LiveUtterance) -> float:
    if utterance.start is None or utterance.end is None:
        return 0.0
    common = min(draft.end, utterance.end) - max(draft.start, utterance.start)
    shorter = min(draft.end - draft.start, utterance.end - utterance.start)
    return common / shorter if shorter > 0 else 0.0


def _speakers(
    drafts: Sequence[DraftSegment], diarized: Diarized | None, named: Named | None
) -> tuple[EnhancedSpeaker, ...]:
    """Those who speak, by their first words."""
    labels = {} if named is None else named.labels
    names = {} if named is None else named.names
    shown = {labels.get(label, label): name for label, name in names.items()}
    order = list(dict.fromkeys(draft.speaker for draft in drafts if draft.speaker is not None))
    seconds = dict.fromkeys(order, 0.0)
    for turn in diarized.turns if diarized is not None else ():
        label = labels.get(turn.speaker, turn.speaker)
        if label in seconds:
            seconds[label] += turn.end - turn.start
    return tuple(
        EnhancedSpeaker(
            id=label,
            name=shown[label].name if label in shown else None,
            name_source=shown[label].source if label in shown else None,
            score=shown[label].score if label in shown else None,
            speech_seconds=round(seconds[label], 2),
        )
        for label in order
    )
