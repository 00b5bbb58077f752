"""Has a language model clean the texts, and sum them up where that is asked for."""

from collections.abc import Mapping, Sequence

from enhancement.artifacts import Cleaned, Named
from enhancement.cleanup.chat import Chat, ChatFailed, ChatServer, OpenAiChat
from enhancement.cleanup.cleaning import Cleaning, clean_utterances
from enhancement.cleanup.summary import Summary, sum_up
from enhancement.segments import DraftSegment, make_segments
from enhancement.stage_work import Skipped, StageResult, StageWork
from runtime.errors import StartupError

NO_MODEL = "no language model is set: set DALSTON_LLM_URL"


def run(work: StageWork) -> StageResult | Skipped:
    """Clean all segments; what the model may not change stays as it was heard."""
    settings = work.settings
    if settings.llm_url is None:
        return Skipped(NO_MODEL)
    segments = make_segments(work.heard, work.diarized, work.named, separate=work.prepared.separate)
    if not segments:
        return Skipped("nobody speaks in the recording")
    try:
        chat = OpenAiChat(ChatServer(settings.llm_url, settings.llm_model, settings.llm_key))
    except StartupError as error:
        return Skipped(str(error))
    try:
        return _cleaned(work, segments, chat)
    finally:
        chat.close()


def _cleaned(work: StageWork, segments: Sequence[DraftSegment], chat: Chat) -> StageResult | Skipped:
    cleaning, summary, told = Cleaning(), None, []
    if work.options.cleanup:
        cleaning = clean_utterances(
            [segment.text for segment in segments], chat, lambda share: work.report(90.0 * share)
        )
    if work.options.summary or work.options.action_items:
        work.report(90.0)
        summary, trouble = _summed_up(segments, work.named, chat)
        told += [trouble] if trouble else []
    if cleaning.failed == len(segments) and summary is None:
        return Skipped(cleaning.failure or "the language model did not answer")
    return StageResult(
        Cleaned(
            texts={segments[at].id: text for at, text in cleaning.texts.items()},
            summary=summary.summary if summary is not None and work.options.summary else None,
            action_items=tuple(summary.action_items) if summary and work.options.action_items else None,
        ),
        "; ".join([chat.name, *_remarks(cleaning), *told]),
    )


def _summed_up(
    segments: Sequence[DraftSegment], named: Named | None, chat: Chat
) -> tuple[Summary | None, str]:
    """The summary, or why there is none."""
    names = _shown_names(named)
    said = [(names.get(s.speaker or "", s.speaker), s.text) for s in segments]
    try:
        return sum_up(said, chat), ""
    except ChatFailed as error:
        return None, f"no summary: {error}"


def _shown_names(named: Named | None) -> Mapping[str, str]:
    """The names of speakers by the labels that segments have."""
    if named is None:
        return {}
    return {named.labels.get(label, label): name.name for label, name in named.names.items()}


def _remarks(cleaning: Cleaning) -> list[str]:
    """What stayed as it was heard, and why."""
    remarks = []
    if count := sum(cleaning.rejected.values()):
        remarks.append(f"{count} answers not taken")
    if cleaning.failed:
        remarks.append(f"{cleaning.failed} segments without an answer")
    return remarks
