"""Checks what is said to a person about events and figures."""

import pytest

from dalston_realtime.cli.display.phrases import format_time, note_on, notes_on_ignored, summary
from dalston_realtime.client.results.transcript import SessionTranscript
from dalston_realtime.protocol.events import Final, ServerError, SessionBegin, SessionEnd, SessionQueued
from tests.support.client_sessions import received


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0, "0:00.0"), (4.25, "0:04.2"), (59.96, "1:00.0"), (3723.4, "1:02:03.4")],
)
def test_times_are_short(seconds: float | None, text: str) -> None:
    assert format_time(seconds) == text


def test_remarks_are_for_what_a_person_should_know() -> None:
    assert note_on(ServerError(code="invalid_message", message="m", recoverable=True)) is not None
    assert (
        note_on(ServerError(code="internal", message="m", recoverable=False)) is None
    )  # it ends the session
    assert note_on(SessionBegin(session_id="s", model="tiny", degraded=True)) is not None
    assert note_on(SessionQueued(position=2, expected_wait=5.2)) == (
        "waiting for a free slot (position 2, about 5 s)"
    )
    assert note_on(Final(text="a")) is None


def test_what_the_model_does_not_have_is_said() -> None:
    begin = SessionBegin(
        session_id="s", model="tiny", features={"vocabulary": False, "word_timestamps": True}
    )

    notes = notes_on_ignored(begin, {"vocabulary": ["Pozzo"], "word_timestamps": True})

    assert notes == ["warning: tiny can't listen for a vocabulary"]
    assert notes_on_ignored(begin, {"vocabulary": None}) == []


def test_the_summary_says_what_is_known() -> None:
    said = SessionTranscript(finals=[Final(text="a")])
    assert summary(said) == "1 utterance, incomplete"

    said.append(received(SessionEnd(audio_duration=44.08, speech_duration=38.2)))
    assert summary(said) == "44.1 s of audio, 38.2 s of speech, 1 utterance"
    assert summary(SessionTranscript(end=SessionEnd())) == "nothing was said"
