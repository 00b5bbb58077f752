"""A session that begins in the middle, on a worker that goes on for a lost one: clock, numbers, words."""

import orjson
import pytest

from dalston_realtime.protocol.parameters import SessionConfig
from stages.assembler.stage import AssemblerStage
from stages.endpoint_rules import EndpointRules
from stages.messages import Event
from stages.receiver.opening import opening, reopening
from stages.vad.vad_session import speaker_at
from tests.support.builders import ROUTE, SECOND, close, final, hypothesis, opened
from tests.support.play import ManualClock, at_once, of_type, play

BEFORE = ("it", "was", "the", "worst", "of")


def test_a_gateway_says_where_a_session_goes_on() -> None:
    query = {
        "clock": "32000",
        "utterance": "7",
        "before": "of times.",
        "overlaps": "true",
        "frozen": "it was",
        "shown": "true",
        "replayed": "48000",
        "degraded": "true",
    }
    assert reopening(opening("s", ROUTE, SessionConfig()), query) == opened(
        start=32_000,
        utterance=7,
        before=("of", "times."),
        overlaps=True,
        frozen=("it", "was"),
        shown=True,
        replayed=48_000,
        degraded=True,
    )


@pytest.mark.parametrize("query", [{}, {"clock": "-1", "utterance": "0"}, {"clock": "x", "utterance": "1e9"}])
def test_anything_else_is_a_session_from_its_beginning(query: dict[str, str]) -> None:
    assert reopening(opening("s", ROUTE, SessionConfig()), query) == opened()


def test_the_vad_begins_at_the_clock() -> None:
    speaker = speaker_at(opened(start=5_120), EndpointRules())
    speaker.append(bytes(2 * 512), ())
    assert (speaker.received, speaker.endpointer.position, speaker.windows) == (5_632, 5_120, 1)
    assert speaker.slice(5_120, 5_632) == bytes(1_024)


def said(*history: object, **where: object) -> list[tuple[str, str]]:
    """Kinds and texts of what an assembler makes of a session that goes on."""
    clock = ManualClock()
    packets = play(AssemblerStage(clock), at_once(opened(**where), *history), clock)  # type: ignore[arg-type]
    return [(e.kind, e.fields["text"]) for e in of_type(Event, packets) if "text" in e.fields]


def test_words_that_are_final_already_are_not_said_again() -> None:
    history = hypothesis("Worst of times it"), final("Worst of times it was"), final("times it")
    assert said(*history, before=BEFORE, overlaps=True) == [
        ("transcript.partial", "times it"),
        ("transcript.final", "times it was"),
        ("transcript.final", "times it"),
    ]


def test_a_sentence_goes_on_where_it_was_interrupted() -> None:
    assert said(final("worst of all"), before=BEFORE) == [("transcript.final", "worst of all")]
    assert said(final("worst of all"), before=("times.",)) == [("transcript.final", "Worst of all")]


def test_what_was_promised_stands_and_what_was_shown_gets_its_final() -> None:
    promised = {"before": BEFORE, "frozen": ("times", "and"), "shown": True}
    assert said(final("times and again"), **promised) == [("transcript.final", "times and again")]
    assert said(final("time and again"), **promised) == [("transcript.final", "times and again")]
    assert said(final(""), before=BEFORE, shown=True) == [("transcript.final", "")]
    assert said(final(""), before=BEFORE) == []


def test_numbers_go_on() -> None:
    clock = ManualClock()
    history = at_once(opened(utterance=7, start=SECOND), final("Seven."), close(2 * SECOND))
    events = of_type(Event, play(AssemblerStage(clock), history, clock))
    assert [e.fields["utterance"] for e in events if e.kind == "transcript.final"] == [7]
    assert orjson.loads(orjson.dumps(events[-1].fields))["segments"][0]["utterance"] == 7
