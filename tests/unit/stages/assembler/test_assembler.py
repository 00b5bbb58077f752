"""The assembler: numbers, texts, times and the summary of a session."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.events import MAX_EVENT_BYTES, SessionBegin, SessionEnd, decode_event
from stages.assembler.event_builder import seconds
from stages.assembler.stage import AssemblerStage
from stages.channels import Packet
from stages.messages import (
    AudioProcessed,
    Close,
    Configure,
    EncodedEvent,
    Flush,
    Message,
    Open,
    SessionFailed,
)
from tests.support.builders import (
    ROUTE,
    SECOND,
    close,
    configure,
    event,
    final,
    flush,
    hypothesis,
    opened,
    speech_end,
    speech_start,
    text_end,
)
from tests.support.play import ManualClock, at_once, json_events, of_type, play


def assemble(*history: Message | Packet, clock: ManualClock | None = None) -> list[Packet]:
    clock = clock or ManualClock()
    return play(AssemblerStage(clock), at_once(*history), clock)


def fields_of(kind: str, said: list[Packet]) -> list[dict[str, Any]]:
    """The fields of the events of one type, without the type."""
    return [{name: e[name] for name in e if name != "type"} for e in json_events(said, kind)]


def finals(said: list[Packet]) -> list[tuple[int, str]]:
    return [(f["utterance"], f["text"]) for f in fields_of("transcript.final", said)]


def test_a_session_from_its_begin_to_its_end() -> None:
    said = assemble(
        opened(),
        speech_start(at=SECOND),
        hypothesis("We hold", start=12_000, end=20_000),
        speech_end(2 * SECOND),
        final("We hold these", start=12_000, end=2 * SECOND, decided=2 * SECOND + 4_800, language="en"),
        close(3 * SECOND),
    )
    assert [type(said[0][0]), type(said[-1][0])] == [Open, Close]
    assert [(e.pop("type"), e) for e in json_events(said)] == [
        ("vad.speech_start", {"timestamp": 1.0}),
        (
            "transcript.partial",
            {"utterance": 1, "text": "We hold", "stable": 0, "start": 0.75, "end": 1.25},
        ),
        ("vad.speech_end", {"timestamp": 2.0}),
        (
            "transcript.final",
            {
                "utterance": 1,
                "text": "We hold these",
                "start": 0.75,
                "end": 2.0,
                "language": "en",
            },
        ),
        (
            "session.end",
            {
                "session_id": "s",
                "transcript": "We hold these",
                "segments": [{"utterance": 1, "text": "We hold these", "start": 0.75, "end": 2.0}],
                "audio_duration": 3.0,
                "speech_duration": 1.0,
                "reason": "client_end",
            },
        ),
    ]
    waits = {e.kind: e.endpoint_wait for e in of_type(EncodedEvent, said)}
    assert waits == dict.fromkeys(waits, None) | {"transcript.final": 300.0}


@pytest.mark.parametrize(("samples", "time"), [(0, 0.0), (1, 0.0), (8, 0.001), (16_000, 1.0), (5_333, 0.333)])
def test_times_are_seconds_to_the_millisecond(samples: int, time: float) -> None:
    assert seconds(samples) == time


def test_what_is_known_of_a_final_is_said_and_the_rest_left_out() -> None:
    full = final(
        "a b",
        language="en",
        confidence=0.5,
        flush_id="x",
        words=(("a", 0, 8_000, None), ("b", 8_000, SECOND, 0.25)),
    )
    bare, known = fields_of("transcript.final", assemble(opened(), final("a b"), full))
    assert set(bare) == {"utterance", "text", "start", "end"}
    assert {name: known[name] for name in set(known) - set(bare)} == {
        "language": "en",
        "confidence": 0.5,
        "flush_id": "x",
        "words": [
            {"word": "a", "start": 0.0, "end": 0.5},
            {"word": "b", "start": 0.5, "end": 1.0, "confidence": 0.25},
        ],
    }


def test_an_empty_utterance_gives_no_final_and_takes_no_number() -> None:
    said = assemble(opened(), final("", utterance=1), final("Two", utterance=2), close())
    assert finals(said) == [(1, "Two")]


def test_an_utterance_that_was_shown_gets_a_final_even_if_it_is_empty() -> None:
    said = assemble(opened(), hypothesis("hm"), final(""), final("Two", utterance=2), close())
    assert finals(said) == [(1, ""), (2, "Two")]
    (summary,) = fields_of("session.end", said)
    assert summary["transcript"] == "Two"
    assert [s["utterance"] for s in summary["segments"]] == [2]


def test_an_empty_partial_is_not_shown() -> None:
    said = assemble(opened(), hypothesis("  "), final(""))
    assert json_events(said) == []


@pytest.mark.parametrize("text", ["", "Said"])
def test_a_flush_in_speech_is_answered_by_its_final_even_if_it_is_empty(text: str) -> None:
    said = assemble(opened(), final(text, flush_id="x"), final("More", utterance=2))
    assert finals(said) == [(1, text), (2, "More")]
    assert [f.get("flush_id") for f in fields_of("transcript.final", said)] == ["x", None]


def test_a_flush_with_nothing_said_is_answered_by_an_empty_final() -> None:
    said = assemble(opened(), final("One"), flush("x"), final("two", utterance=2), close())
    assert finals(said) == [(1, "One"), (2, ""), (3, "two")]
    assert fields_of("transcript.final", said)[1] == {"utterance": 2, "text": "", "flush_id": "x"}
    assert fields_of("session.end", said)[0]["transcript"] == "One two"


def test_words_that_a_cut_repeats_are_said_once() -> None:
    said = assemble(
        opened(),
        final("We hold these truths"),
        hypothesis("these truths to be", utterance=2, overlaps=True),
        final("these truths to be self-evident", utterance=2, overlaps=True),
        close(),
    )
    assert fields_of("transcript.partial", said)[0]["text"] == "to be"
    assert finals(said) == [(1, "We hold these truths"), (2, "to be self-evident")]


def test_an_overlap_may_reach_over_a_short_utterance() -> None:
    said = assemble(
        opened(),
        final("We hold these truths"),
        final("truths to", utterance=2, overlaps=True),
        final("these truths to be", utterance=3, overlaps=True),
        final("be or not to be", utterance=4),
    )
    assert [text for _, text in finals(said)] == ["We hold these truths", "to", "be", "be or not to be"]


def test_the_times_of_words_that_a_cut_repeats_are_said_once() -> None:
    first = (("We", 0, 4_000, None), ("hold", 4_000, 8_000, None))
    again = (("hold", 4_000, 8_000, None), ("these", 8_000, 12_000, None))
    said = assemble(
        opened(),
        final("We hold", words=first),
        final("hold these", utterance=2, overlaps=True, words=again),
        final("再び 再び", utterance=3, words=(("再", 0, 1, None), ("び", 1, 2, None), ("再び", 2, 3, None))),
    )
    words = [[word["word"] for word in f["words"]] for f in fields_of("transcript.final", said)]
    assert words == [["We", "hold"], ["these"], ["再", "び", "再び"]]


def test_words_are_spelled_as_in_the_text() -> None:
    said = assemble(opened(), final("we hold", words=(("we", 0, 1_600, 0.5), ("hold", 1_600, 3_200, None))))
    (only,) = fields_of("transcript.final", said)
    assert only["text"] == "We hold"
    assert only["words"] == [
        {"word": "We", "start": 0.0, "end": 0.1, "confidence": 0.5},
        {"word": "hold", "start": 0.1, "end": 0.2},
    ]


def test_words_that_were_said_twice_are_kept_without_an_overlap() -> None:
    said = assemble(opened(), final("Never again"), final("again and again", utterance=2), close())
    assert finals(said) == [(1, "Never again"), (2, "again and again")]


def test_without_vad_events_there_are_none() -> None:
    said = assemble(
        opened(enable_vad=False), speech_start(at=0), speech_end(SECOND), final("a"), close(2 * SECOND)
    )
    assert [e.kind for e in of_type(EncodedEvent, said)] == ["transcript.final", "session.end"]
    assert fields_of("session.end", said)[0]["speech_duration"] == 1.0


def test_speech_duration_is_the_sum_of_what_was_spoken() -> None:
    said = assemble(
        opened(),
        speech_start(1, at=SECOND),
        speech_end(3 * SECOND),
        speech_start(2, at=5 * SECOND),
        speech_end(6 * SECOND, "flush"),
        close(10 * SECOND),
    )
    (summary,) = fields_of("session.end", said)
    assert (summary["speech_duration"], summary["audio_duration"]) == (3.0, 10.0)


def test_the_end_of_a_long_session_is_an_event() -> None:
    text = "слово " * 15  # in an alphabet of two bytes a letter
    finals_of_four_hours = [final(text, utterance=k) for k in range(1, 4_321)]
    *_, (_, payload), _ = assemble(opened(), *finals_of_four_hours, close())
    assert isinstance(decode_event(payload), SessionEnd)
    assert len(payload) < MAX_EVENT_BYTES


def test_a_client_that_is_gone_gets_no_end_and_is_forgotten() -> None:
    stage = AssemblerStage(ManualClock())
    said = play(stage, at_once(opened(), final("a"), close(reason="gone")))
    assert fields_of("session.end", said) == []
    assert [c.reason for c in of_type(Close, said)] == ["gone"]
    others = play(stage, at_once(final("b"), flush(), close(), speech_start()))
    assert [message for message, _ in others] == [close()]  # the sender may know it still
    assert stage._sessions == {}


def test_what_is_not_the_assemblers_goes_on_as_it_is() -> None:
    passed: list[Packet] = [
        event(SessionBegin(session_id="s")),
        (AudioProcessed("s", ROUTE, 7), b""),
        (text_end(7), b""),
        (SessionFailed("s", ROUTE, "internal", "why"), b""),
        (configure(), b""),
    ]
    assert assemble(*passed) == passed


def test_sessions_do_not_mix() -> None:
    said = assemble(opened("a"), opened("b"), final("One", "a"), final("uno", "b"), close(session="a"))
    assert [e.session for e in of_type(EncodedEvent, said) if "final" in e.kind] == ["a", "b"]
    assert [f["utterance"] for f in fields_of("transcript.final", said)] == [1, 1]
    assert fields_of("session.end", said)[0]["transcript"] == "One"


def test_results_are_stamped_in_and_out_and_events_without_a_time_are_not() -> None:
    clock = ManualClock()
    clock.now = 40
    said = assemble(opened(), speech_start(), final("a", stamps=(1, 2), inference_ns=7), clock=clock)
    assert [(e.kind, e.stamps, e.inference_ns) for e in of_type(EncodedEvent, said)] == [
        ("vad.speech_start", (), 0),
        ("transcript.final", (1, 2, 40, 40), 7),
    ]


texts = st.sampled_from(["", "a", "we hold", "hold these truths", "truths to be"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("partial"), texts),
        st.tuples(st.just("final"), texts),
        st.tuples(st.just("cut"), texts),
        st.tuples(st.just("flushed"), texts),
        st.tuples(st.just("flush"), st.just("")),
    ),
    max_size=30,
)


@given(steps)
def test_what_holds_for_all_sessions(steps: list[tuple[str, str]]) -> None:
    history: list[Message] = [opened()]
    number, overlaps, waiting = 1, False, False
    for k, (kind, text) in enumerate(steps):
        if kind == "flush":
            if waiting:
                continue  # what is being said is ended first
            history.append(flush(str(k)))
        elif kind == "partial":
            history.append(hypothesis(text, utterance=number, overlaps=overlaps))
            waiting = True
        else:
            name = str(k) if kind == "flushed" else None
            history.append(final(text, utterance=number, overlaps=overlaps, flush_id=name))
            number, overlaps, waiting = number + 1, kind == "cut", False
    if waiting:
        history.append(final("", utterance=number, overlaps=overlaps))
    said = assemble(*history, close())
    check(history, said)


def check(history: list[Message], said: list[Packet]) -> None:
    """The protocol's promises about numbers, flushes and the summary."""
    asked = [getattr(m, "flush_id", None) for m in history]
    results = fields_of("transcript.final", said)
    assert [f["flush_id"] for f in results if "flush_id" in f] == [a for a in asked if a is not None]
    assert [f["utterance"] for f in results] == list(range(1, len(results) + 1))
    (summary,) = fields_of("session.end", said)
    assert summary["transcript"] == " ".join(f["text"] for f in results if f["text"])
    open_number, promised = 1, ""
    for e in json_events(said):
        if e["type"] == "transcript.partial":
            assert e["utterance"] == open_number
            assert e["text"].startswith(promised)
            promised = e["text"][: e["stable"]]
        if e["type"] == "transcript.final":
            assert e["utterance"] == open_number
            assert e["text"].startswith(promised)
            open_number, promised = open_number + 1, ""


def test_only_known_types_are_acted_on() -> None:
    said = assemble(opened(), configure(), flush("x"))
    assert [type(m) for m, _ in said] == [Open, Configure, EncodedEvent]
    assert of_type(Flush, said) == []
