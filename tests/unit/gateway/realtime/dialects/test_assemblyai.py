"""AssemblyAI's streaming protocol as frames in and out; its client checks the types of what it gets."""

from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Final, Partial, SpeechStart, Word
from gateway.realtime.dialects.actions import AppendAudio, ChangeSession, EndSession, FlushSession
from gateway.realtime.dialects.assemblyai import AssemblyAiStreaming
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told


def opening(**query: str) -> Opening:
    """What a request means; the time stands still."""
    return AssemblyAiStreaming(lambda: "id", lambda: 1_000.5).open(Handshake(tuple(query.items())))


def conversation(**query: str) -> Conversation:
    """A connection."""
    asked = opening(**query)
    return asked.begin(asked.config)


@pytest.mark.parametrize(
    ("query", "config"),
    [
        ({}, {"encoding": "pcm_s16le", "sample_rate": 16_000, "min_silence_ms": 300}),
        ({"encoding": "pcm_mulaw", "sample_rate": "8000"}, {"encoding": "mulaw", "sample_rate": 8_000}),
        ({"min_turn_silence": "50"}, {"min_silence_ms": 100}),
        ({"min_end_of_turn_silence_when_confident": "560"}, {"min_silence_ms": 560}),
        ({"speech_model": "universal-streaming-english"}, {"model": "universal-streaming-english"}),
        ({"keyterms_prompt": '["Bath",""]', "format_turns": "True"}, {"vocabulary": ("Bath",)}),
    ],
)
def test_a_request_becomes_parameters(query: dict[str, str], config: dict[str, Any]) -> None:
    asked = msgspec.structs.asdict(opening(**query).config)
    assert {name: asked[name] for name in config} == config


@pytest.mark.parametrize(
    "query",
    [
        {"encoding": "opus"},
        {"format_turns": "perhaps"},
        {"keyterms_prompt": "Bath"},
        {"keyterms_prompt": '{"a":1}'},
        {"min_turn_silence": "x"},
        {"redact_pii": "True"},
    ],
)
def test_what_cannot_be_done_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter) as refused:
        opening(**query)
    assert refused.value.param == next(iter(query))


def test_the_key_is_bare_or_in_the_query() -> None:
    dialect = AssemblyAiStreaming()
    assert dialect.open(Handshake(headers={"authorization": "K"})).credential == "K"
    assert opening(token="T").credential == "T"
    assert opening(speaker_labels="True").ignored == ("speaker_labels",)


def test_turns_follow_one_another() -> None:
    spoken = conversation(format_turns="True")
    assert told(spoken.greet()) == [{"type": "Begin", "id": "id", "expires_at": 11_800}]
    assert told(spoken.translate(SpeechStart(timestamp=0.4))) == [{"type": "SpeechStarted", "timestamp": 400}]
    (partial,) = told(spoken.translate(Partial(text="Hello")))
    words = (Word(word="Hello,", start=0.4, end=0.75, confidence=0.5), Word(word="you."))
    (ended,) = told(spoken.translate(Final(text="Hello, you.", words=words, language="en")))
    (forced,) = told(spoken.translate(Final(text="", flush_id="force-endpoint")))
    assert partial == {
        "type": "Turn",
        "turn_order": 0,
        "turn_is_formatted": False,
        "end_of_turn": False,
        "transcript": "Hello",
        "end_of_turn_confidence": 0.0,
        "words": [],
    }
    word = {"start": 400, "end": 750, "confidence": 0.5, "text": "Hello,", "word_is_final": True}
    assert ended == partial | {
        "turn_is_formatted": True,
        "end_of_turn": True,
        "transcript": "Hello, you.",
        "end_of_turn_confidence": 1.0,
        "words": [word],
        "language_code": "en",
    }
    assert (forced["turn_order"], forced["end_of_turn"], forced["transcript"]) == (1, True, "")
    assert told(spoken.translate(Final(text=""))) == []


@pytest.mark.parametrize(
    ("frame", "actions"),
    [
        (b"\0" * 640, [AppendAudio(b"\0" * 640)]),
        ('{"type":"Terminate"}', [EndSession()]),
        ('{"type":"ForceEndpoint"}', [FlushSession("force-endpoint")]),
        ('{"type":"KeepAlive"}', []),
        ('{"type":"UpdateConfiguration","min_turn_silence":"x"}', []),
        ('{"type":"UpdateConfiguration","min_turn_silence":true}', []),
        ('{"type":"UpdateConfiguration","min_turn_silence":1e99}', []),
        ("{}", []),
        ("", []),
        ("[" * 100_000, []),
    ],
)
def test_what_a_frame_means(frame: str | bytes, actions: list[Any]) -> None:
    assert told(conversation().receive(frame)) == actions


def test_a_silence_may_change() -> None:
    (change,) = told(conversation().receive('{"type":"UpdateConfiguration","min_turn_silence":700}'))
    assert isinstance(change, ChangeSession)
    assert change.config.min_silence_ms == 700


@pytest.mark.parametrize(("code", "close"), [(CloseCode.RESTARTING, 1012), (CloseCode.INTERNAL, 1011)])
def test_how_a_connection_ends(code: CloseCode, close: int) -> None:
    (ended,) = told(conversation().conclude(SessionOutcome.error(code, "why")))
    assert ended[0] == close


def test_a_session_that_was_terminated_is_summed_up() -> None:
    spoken = conversation()
    spoken.receive(bytes(64_000))
    termination = {"audio_duration_seconds": 2, "session_duration_seconds": 0}
    assert told(spoken.conclude(SessionOutcome(CloseCode.NORMAL))) == [
        {"type": "Termination", **termination},
        (1000, ""),
    ]
