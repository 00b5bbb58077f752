"""Holds what was said so far in one session."""

from dataclasses import dataclass, field

from stages.assembler.transcript import FinalText, UtteranceText
from stages.messages import Open


@dataclass(slots=True)
class AssemblerSession:
    """What was said so far. `number` is the protocol's count of utterances, not the VAD's."""

    opened: Open
    number: int = 1  # of the utterance that is being said, or said next
    text: UtteranceText = field(default_factory=lambda: UtteranceText(begins_sentence=True))
    partial_shown: bool = False  # the client has seen a partial of it, so it must see its final
    finals: list[FinalText] = field(default_factory=list)
    speech: int = 0  # samples of speech so far
    speech_at: int | None = None  # sample at which somebody began to speak who still does
    overlaps: bool = False  # its first utterance may repeat what another worker made final


def session_from(opened: Open) -> AssemblerSession:
    """A session as it begins here, or goes on from another worker."""
    previous = opened.previous_words
    text = UtteranceText(
        previous,
        begins_sentence=not previous or previous[-1][-1] in ".!?",
        stable_words=list(opened.stable_words),
    )
    return AssemblerSession(opened, opened.utterance, text, opened.partial_shown, overlaps=opened.overlaps)
