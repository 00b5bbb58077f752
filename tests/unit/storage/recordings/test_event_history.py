"""The events that several gateways saw of a session become one history."""

from typing import Any

from storage.recordings.event_history import merge, read_log, split_descriptions, transcript


def final(utterance: int, text: str, **more: Any) -> dict[str, Any]:
    return {"type": "transcript.final", "utterance": utterance, "text": text, **more}


WARNING = {"type": "warning", "code": "worker_lost", "message": "."}


def test_a_line_that_was_cut_off_is_left_out() -> None:
    assert read_log(b'{"type":"warning","seq":3}\n[1]\n{"type":"tra') == [{"type": "warning"}]


def test_what_two_writers_have_is_there_once() -> None:
    first = [WARNING, final(1, "One."), WARNING]
    assert merge([first, [*first[1:], final(2, "Two.")]]) == [
        WARNING,
        WARNING,
        final(1, "One."),
        final(2, "Two."),
    ]


def test_a_final_that_the_next_worker_said_otherwise_is_the_later_one() -> None:
    merged = merge([[final(1, "One."), final(2, "Too.")], [final(2, "Two."), final(2, "2", channel=1)]])
    assert merged == [final(1, "One."), final(2, "Two."), final(2, "2", channel=1)]


def test_the_transcript_is_the_finals_in_order_of_time() -> None:
    events = [final(2, "Two.", start=2.0), final(1, "One.", start=1.0), final(3, "", start=3.0), WARNING]
    found = transcript("s", [{"config": {"model": "fast"}, "began": 1.5}], events, {"seconds": 4.0})
    assert (found["transcript"], found["config"], found["began"]) == ("One. Two.", {"model": "fast"}, 1.5)
    assert found["segments"][0] == {"utterance": 1, "text": "One.", "start": 1.0}
    assert found["events"] == events


def test_the_line_about_the_session_is_no_event() -> None:
    first = {"type": "recording", "began": 1.0}
    last = {"type": "recording.end", "frames": 7}
    found = split_descriptions([[first, WARNING], [WARNING, last], []])
    assert found == ([first, last], [[WARNING], [WARNING], []])
