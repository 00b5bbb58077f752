"""What Wyoming clients are told of the events of a session."""

from typing import Any

import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import Event, Final, Partial, ServerError, SessionEnd
from gateway.realtime.wyoming.answer import WyomingAnswer
from gateway.sessions.outcome import SessionOutcome

FIRST, SECOND = Final(text="Turn it", language="en"), Final(text="off.")
BUSY = ServerError(code="no_capacity", message="all slots are taken", recoverable=False)


def told(answer: WyomingAnswer, *events: Event) -> list[tuple[str, dict[str, Any]]]:
    return [(said.type, said.data) for event in events for said in answer.translate(event)]


def test_finals_are_pieces_of_one_transcript() -> None:
    answer = WyomingAnswer(client_ends=True)
    assert told(answer, Partial(text="Turn"), FIRST, Final(text=""), SECOND, SessionEnd(), SessionEnd()) == [
        ("transcript-start", {"language": "en"}),
        ("transcript-chunk", {"text": "Turn it"}),
        ("transcript-chunk", {"text": " off."}),
        ("transcript", {"text": "Turn it off.", "language": "en"}),
        ("transcript-stop", {}),
    ]
    assert answer.is_complete


def test_silence_has_an_empty_transcript() -> None:
    answer = WyomingAnswer(client_ends=True)
    found = told(answer, SessionEnd())
    assert found == [("transcript-start", {}), ("transcript", {"text": ""}), ("transcript-stop", {})]


def test_a_server_that_ends_the_audio_answers_after_the_first_utterance() -> None:
    answer = WyomingAnswer(client_ends=False)
    found = told(answer, Final(text=""), FIRST, SECOND, SessionEnd())
    assert [kind for kind, _ in found] == [
        "transcript-start", "transcript-chunk", "transcript", "transcript-stop"
    ]  # fmt: skip
    assert found[2][1]["text"] == "Turn it"


@pytest.mark.parametrize(
    ("outcome", "data"),
    [
        (SessionOutcome(CloseCode.LAG_EXCEEDED, BUSY), {"text": BUSY.message, "code": "lag_exceeded"}),
        (SessionOutcome(CloseCode.NO_CAPACITY), {"text": "no_capacity", "code": "no_capacity"}),
    ],
)
def test_a_session_that_fails_is_an_error(outcome: SessionOutcome, data: dict[str, str]) -> None:
    answer = WyomingAnswer(client_ends=True)
    told(answer, FIRST)
    assert [(said.type, said.data) for said in answer.conclude(outcome)] == [("error", data)]
    assert answer.conclude(outcome) == answer.complete() == ()


def test_the_error_that_the_session_told_is_passed_on() -> None:
    answer = WyomingAnswer(client_ends=True)
    assert told(answer, BUSY) == []
    (error,) = answer.conclude(SessionOutcome(CloseCode.NO_CAPACITY))
    assert error.data == {"text": BUSY.message, "code": "no_capacity"}


@pytest.mark.parametrize("code", [None, CloseCode.RESTARTING, CloseCode.IDLE_TIMEOUT])
def test_some_ends_have_no_words(code: CloseCode | None) -> None:
    assert WyomingAnswer(client_ends=True).conclude(SessionOutcome(code)) == ()
