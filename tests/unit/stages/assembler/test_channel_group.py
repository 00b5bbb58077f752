"""Separate channels in the assembler: each has its own numbers, and the client sees one session."""

from typing import Any

from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.messages import Close, Message
from tests.support.builders import SECOND, close, final, flush, hypothesis, opened, speech_end, speech_start
from tests.support.play import ManualClock, at_once, json_events, of_type, play

LEFT, RIGHT = KEYS = ("s 0", "s 1")
BOTH = [opened(key, channels=KEYS, session_id="s") for key in KEYS]


def assemble(*history: Message | Packet) -> list[Packet]:
    clock = ManualClock()
    return play(AssemblerStage(clock), at_once(*BOTH, *history), clock)


def finals(said: list[Packet]) -> list[tuple[Any, ...]]:
    events = json_events(said, "transcript.final")
    return [(e["channel"], e["utterance"], e["text"], e.get("flush_id")) for e in events]


def test_each_channel_numbers_its_own_utterances_and_every_event_names_its_channel() -> None:
    said = assemble(
        speech_start(at=0, session=RIGHT),
        speech_start(at=0, session=LEFT),
        hypothesis("It was", RIGHT, start=0, end=SECOND),
        speech_end(SECOND, session=RIGHT),
        final("It was.", RIGHT, start=0, end=SECOND),
        final("We hold.", LEFT, start=0, end=SECOND),
        final("Best of times.", RIGHT, start=2 * SECOND, end=3 * SECOND),
    )
    assert finals(said) == [(1, 1, "It was.", None), (0, 1, "We hold.", None), (1, 2, "Best of times.", None)]
    kinds = ("vad.speech_start", "vad.speech_end", "transcript.partial")
    assert [[e["channel"] for e in json_events(said, kind)] for kind in kinds] == [[1, 0], [1], [1]]


def test_the_end_comes_once_behind_all_channels_with_the_finals_in_order_of_time() -> None:
    said = assemble(
        speech_start(at=0, session=LEFT),
        speech_end(SECOND, session=LEFT),
        final("One.", LEFT, start=0, end=SECOND),
        final("Three.", LEFT, start=4 * SECOND, end=5 * SECOND),
        close(6 * SECOND, session=LEFT),
        speech_start(at=2 * SECOND, session=RIGHT),
        speech_end(4 * SECOND, session=RIGHT),
        final("Two.", RIGHT, start=2 * SECOND, end=4 * SECOND),
        close(6 * SECOND, session=RIGHT),
    )
    (end,) = json_events(said, "session.end")
    assert json_events(said)[-1] == end
    assert (end["session_id"], end["transcript"]) == ("s", "One. Two. Three.")
    assert [(s["channel"], s["utterance"]) for s in end["segments"]] == [(0, 1), (1, 1), (0, 2)]
    assert (end["audio_duration"], end["speech_duration"]) == (6.0, 3.0)
    assert [each.session for each in of_type(Close, said)] == [LEFT, RIGHT]


def test_a_flush_is_answered_once_by_the_channel_that_is_the_last_to_answer() -> None:
    said = assemble(
        final("Left.", LEFT, flush_id="f"),
        flush("f", RIGHT),
        flush("f", LEFT),
        final("Right.", RIGHT, flush_id="f"),
        flush("g", RIGHT),
        flush("g", LEFT),
    )
    assert finals(said) == [
        (0, 1, "Left.", None),
        (1, 1, "", "f"),
        (1, 2, "Right.", "f"),
        (0, 2, "", "g"),
    ]


def test_channels_that_are_gone_leave_no_trace() -> None:
    stage = AssemblerStage(ManualClock())
    gone = [close(SECOND, session=key, reason="gone") for key in KEYS]
    for _ in range(2):
        said = play(stage, at_once(*BOTH, final("One.", LEFT), *gone))
        assert finals(said) == [(0, 1, "One.", None)]
        assert json_events(said, "session.end") == []
