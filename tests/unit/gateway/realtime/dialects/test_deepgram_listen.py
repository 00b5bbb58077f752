"""Deepgram's live protocol as frames in and out: what is asked for, answered, ignored and refused."""

from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import (
    Event,
    Final,
    Partial,
    ServerWarning,
    SessionBegin,
    SpeechEnd,
    SpeechStart,
    Word,
)
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import AppendAudio, ChangeSession, EndSession, FlushSession
from gateway.realtime.dialects.deepgram_listen import DeepgramListen
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told

PCM = {"encoding": "linear16", "sample_rate": "16000"}


def opening(*more: tuple[str, str], **query: str) -> Opening:
    """What a request means."""
    pairs = (*(PCM | query).items(), *more)
    return DeepgramListen(lambda: "id").open(Handshake(tuple((n, v) for n, v in pairs if v)))


def conversation(**query: str) -> Conversation:
    """A connection."""
    asked = opening(**query)
    return asked.begin(asked.config)


def result(text: str, start: float, duration: float, **more: Any) -> dict[str, Any]:
    """A `Results` without words."""
    best = {"transcript": text, "confidence": 0.0, "words": []}
    info = {"name": "tiny", "version": "1", "arch": "tiny"}
    flags = {"is_final": True, "speech_final": True, "from_finalize": False}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": start,
        "duration": duration,
        "channel": {"alternatives": [best]},
        "metadata": {"request_id": "id", "model_info": info, "model_uuid": "tiny"},
        **(flags | more),
    }


@pytest.mark.parametrize(
    ("query", "config"),
    [
        ({}, {"min_silence_ms": 100, "interim_results": False}),
        ({"endpointing": "25"}, {"min_silence_ms": 100}),
        ({"endpointing": "300"}, {"min_silence_ms": 300}),
        ({"endpointing": "9000"}, {"min_silence_ms": 3000}),
        ({"endpointing": "true"}, {"min_silence_ms": 100}),
        ({"endpointing": "false"}, {"min_silence_ms": 3000}),
        ({"endpointing": "0"}, {"min_silence_ms": 3000}),
        ({"interim_results": "True"}, {"interim_results": True}),
        ({"language": "en-US"}, {"language": "en"}),
        ({"language": "multi"}, {"language": "auto"}),
        ({"model": "nova-3"}, {"model": "nova-3"}),
        ({"encoding": "mulaw", "sample_rate": "8000"}, {"encoding": "mulaw", "sample_rate": 8000}),
        ({"encoding": "linear32", "channels": "2"}, {"encoding": "pcm_f32le", "channel_mode": "mix"}),
        ({"encoding": "", "sample_rate": ""}, {"encoding": "container", "channels": 1}),
        ({"encoding": "", "sample_rate": "44100"}, {"encoding": "container"}),
        ({"channels": "2", "multichannel": "true"}, {"channels": 2, "channel_mode": "separate"}),
        ({"keyterm": "Bath", "keywords": "Elinor:2.0"}, {"vocabulary": ("Bath", "Elinor")}),
    ],
)
def test_a_request_becomes_parameters(query: dict[str, str], config: dict[str, Any]) -> None:
    asked = msgspec.structs.asdict(opening(**query).config)
    assert {name: asked[name] for name in config} == config


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"encoding": "g729"}, "encoding"),
        ({"sample_rate": ""}, "sample_rate"),
        ({"sample_rate": "x"}, "sample_rate"),
        ({"redact": "pci"}, "redact"),
        ({"callback": "https://example.org"}, "callback"),
        ({"multichannel": "perhaps"}, "multichannel"),
        ({"interim_results": "maybe"}, "interim_results"),
        ({"endpointing": "soon"}, "endpointing"),
        ({"utterance_end_ms": "-5"}, "utterance_end_ms"),
        ({"language": "e"}, "language"),
        ({"channels": "9"}, "channels"),
    ],
)
def test_what_cannot_be_done_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        opening(**query)
    assert refused.value.param == param
    assert DeepgramListen(lambda: "id").refusal_headers("why") == {"dg-error": "why", "dg-request-id": "id"}


def test_what_is_ignored_is_named() -> None:
    asked = opening(("tag", "a"), ("tag", "b"), diarize="true", numerals="false", redact="false", odd="1")
    assert asked.ignored == ("diarize", "tag")
    assert asked.headers == {"dg-request-id": "id"}


@pytest.mark.parametrize(
    ("headers", "offered", "key", "selected"),
    [
        ({"authorization": "Token K"}, (), "K", None),
        ({"authorization": "bearer K"}, (), "K", None),
        ({}, ("token", "K"), "K", "token"),
        ({}, ("Bearer", "K", "x-deepgram-session-id", "u"), "K", "Bearer"),
        ({"authorization": "Basic K"}, (), None, None),
        ({}, ("token",), None, None),
        ({}, (), None, None),
    ],
)
def test_where_the_key_is(
    headers: dict[str, str], offered: tuple[str, ...], key: str | None, selected: str | None
) -> None:
    asked = DeepgramListen().open(Handshake(tuple(PCM.items()), headers, offered))
    assert (asked.credential, asked.subprotocol) == (key, selected)


BEGIN = SessionBegin(session_id="s", model="tiny", features={"vocabulary": False})
TRANSCRIPT: list[tuple[Event, list[Any]]] = [
    (BEGIN, []),
    (SpeechStart(timestamp=0.4), [{"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.4}]),
    (Partial(text="", start=0.2), []),
    (
        Partial(text="Hello", start=0.2, end=0.7),
        [result("Hello", 0.2, 0.5, is_final=False, speech_final=False)],
    ),
    (SpeechEnd(timestamp=1.2), []),
    (SpeechStart(timestamp=1.5), [{"type": "SpeechStarted", "channel": [0, 1], "timestamp": 1.5}]),
    (Final(text="Hello, you.", start=0.2, end=1.2), [result("Hello, you.", 0.2, 1.0)]),
    (Final(text="Cut in", start=1.3, end=13.3), [result("Cut in", 1.3, 12.0, speech_final=False)]),
    (Final(text=""), []),
    (ServerWarning(code="processing_lag", message="slow"), []),
    (
        Final(text="", flush_id="finalize-1"),
        [result("", 13.3, 0.0, speech_final=False, from_finalize=True)],
    ),
    (
        Final(text="two.", start=13.5, end=14.0, flush_id="finalize-2"),
        [result("two.", 13.5, 0.5, from_finalize=True)],
    ),
]


def test_a_stream_of_events_becomes_deepgrams_messages() -> None:
    spoken = conversation(interim_results="true", punctuate="true", vad_events="true")
    assert [(event, told(spoken.translate(event))) for event, _ in TRANSCRIPT] == TRANSCRIPT


def test_words_are_spoken_unless_written_ones_are_asked_for() -> None:
    words = (Word(word="“Hello,", start=0.2, end=0.5, confidence=0.9), Word(word="–", start=0.5, end=0.6))
    final = Final(
        text="“Hello, Mr. O'Neill –", start=0.2, end=1.2, confidence=0.8, words=words, language="en"
    )
    best = told(conversation().translate(final))[0]["channel"]["alternatives"][0]
    spoken = {"word": "hello", "start": 0.2, "end": 0.5, "confidence": 0.9, "punctuated_word": "“Hello,"}
    assert best == {"transcript": "hello mr o'neill", "confidence": 0.8, "words": [spoken]}
    many = conversation(language="multi", smart_format="true").translate(final)
    alternative = told(many)[0]["channel"]["alternatives"][0]
    assert (alternative["transcript"], alternative["languages"]) == (final.text, ["en"])


def test_the_end_of_an_utterance_is_said_once_after_enough_silence() -> None:
    spoken = conversation(utterance_end_ms="1000")
    assert spoken.ticks
    spoken.translate(SpeechStart(timestamp=0.4))
    spoken.translate(Final(text="Hello", start=0.2, end=1.2))
    assert told(spoken.on_heard(2.1)) == []
    assert told(spoken.on_heard(2.2)) == [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.2}]
    assert told(spoken.on_heard(9.0)) == []
    spoken.translate(SpeechStart(timestamp=9.5))  # Behind the final that comes late.
    spoken.translate(Final(text="again", start=8.6, end=9.2))
    assert told(spoken.on_heard(20.0)) == []


@pytest.mark.parametrize(
    ("frame", "actions"),
    [
        (b"\0" * 640, [AppendAudio(b"\0" * 640)]),
        (b"", [EndSession()]),
        ('{"type":"KeepAlive"}', []),
        ('{"type":"Finalize","channel":0}', [FlushSession("finalize-1")]),
        ('{"type":"CloseStream"}', [EndSession()]),
        ('{"type":"Strange"}', []),
        ('{"type":7}', []),
        ("{}", []),
        (
            '{"type":"Configure","features":{"numerals":true}}',
            [{"type": "ConfigureSuccess", "request_id": "id"}],
        ),
    ],
)
def test_what_a_frame_means(frame: str | bytes, actions: list[Any]) -> None:
    assert told(conversation().receive(frame)) == actions


@pytest.mark.parametrize("frame", ["", "[]", "nonsense", "[" * 100_000, "\ud800", "1e999"])
def test_what_cannot_be_read_is_told_and_not_fatal(frame: str) -> None:
    (error,) = told(conversation().receive(frame))
    assert (error["type"], error["variant"]) == ("Error", "SchemaError")


@pytest.mark.parametrize("terms", [["Bath"], [1, None, {}], "Bath", {"a": 1}])
def test_key_terms_change_where_the_model_takes_any(terms: Any) -> None:
    spoken = conversation()
    frame = msgspec.json.encode({"type": "Configure", "keyterms": terms}).decode()
    spoken.translate(BEGIN)
    assert told(spoken.receive(frame))[0]["code"] == "CONFIGURE_KEYTERMS_NOT_SUPPORTED"
    spoken.translate(SessionBegin(session_id="s", features={"vocabulary": True}))
    change, answer = told(spoken.receive(frame))
    assert isinstance(change, ChangeSession)
    assert answer["keyterms"] == list(change.config.vocabulary)


@pytest.mark.parametrize(
    ("code", "close"),
    [
        (CloseCode.IDLE_TIMEOUT, (1011, "NET-0001")),
        (CloseCode.LAG_EXCEEDED, (1011, "NET-0000")),
        (CloseCode.INVALID_REQUEST, (1008, "DATA-0000")),
        (CloseCode.SESSION_TOO_LONG, (1001, "")),
        (CloseCode.RESTARTING, (1012, "")),
        (CloseCode.NO_CAPACITY, (1013, "")),
        (CloseCode.INTERNAL, (1011, "")),
    ],
)
def test_how_a_connection_ends(code: CloseCode, close: tuple[int, str]) -> None:
    (ended,) = told(conversation().conclude(SessionOutcome.error(code, "why")))
    assert ended[0] == close[0]
    assert ended[1].startswith(close[1])


def test_a_stream_that_was_closed_is_summed_up() -> None:
    spoken = conversation()
    spoken.receive(bytes(32_000))
    metadata, close = told(spoken.conclude(SessionOutcome(CloseCode.NORMAL)))
    assert close == (1000, "")
    assert (metadata["type"], metadata["duration"], metadata["channels"]) == ("Metadata", 1.0, 1)
    assert len(metadata["sha256"]) == 64
    assert metadata["created"].endswith("Z")


def test_parameters_in_force_are_those_of_the_server() -> None:
    asked = opening(model="nova-3")
    spoken = asked.begin(SessionConfig(model="fast", sample_rate=16_000))
    (said,) = told(spoken.translate(Final(text="a", flush_id="finalize-1")))
    assert said["metadata"]["model_info"]["name"] == "fast"


def test_each_channel_has_results_of_its_own() -> None:
    spoken = conversation(channels="2", multichannel="true", vad_events="true", utterance_end_ms="1000")
    (started,) = told(spoken.translate(SpeechStart(timestamp=0.4, channel=1)))
    spoken.translate(SpeechEnd(timestamp=1.2, channel=1))
    (second,) = told(spoken.translate(Final(text="One", start=0.2, end=1.2, channel=1)))
    (first,) = told(spoken.translate(Final(text="", flush_id="finalize-1", channel=0)))
    assert (started["channel"], second["channel_index"], first["channel_index"]) == ([1, 2], [1, 2], [0, 2])
    assert (second["speech_final"], first["start"]) == (True, 0.0)
    assert [each["channel"] for each in told(spoken.on_heard(3.0))] == [[1, 2]]
