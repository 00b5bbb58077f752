"""ElevenLabs' live protocol as frames in and out: formats, commits, what is in force, errors."""

import base64
from typing import Any

import msgspec
import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Final, Partial, SpeechStart, Word
from gateway.realtime.dialects.actions import AppendAudio, FlushSession
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.elevenlabs import ElevenLabsRealtime
from gateway.realtime.dialects.handshake import Handshake
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told

AUDIO = base64.b64encode(b"\1\2" * 4).decode()


def opening(*pairs: tuple[str, str], **query: str) -> Opening:
    """What a request means."""
    return ElevenLabsRealtime(lambda: "id").open(Handshake((*query.items(), *pairs)))


def conversation(**query: str) -> Conversation:
    """A connection."""
    asked = opening(**query)
    return asked.begin(asked.config)


def said(spoken: Conversation, *events: Event) -> list[tuple[str, str]]:
    """Kind and text of all that the client is told."""
    return [(m["message_type"], m["text"]) for event in events for m in told(spoken.translate(event))]


@pytest.mark.parametrize(
    ("query", "config"),
    [
        ({}, {"encoding": "pcm_s16le", "sample_rate": 16_000, "store": None, "word_timestamps": False}),
        ({"audio_format": "ulaw_8000"}, {"encoding": "mulaw", "sample_rate": 8_000}),
        ({"audio_format": "pcm_48000"}, {"sample_rate": 48_000}),
        ({"commit_strategy": "vad"}, {"min_silence_ms": 1500}),
        ({"commit_strategy": "vad", "vad_silence_threshold_secs": "0.5"}, {"min_silence_ms": 500}),
        ({"commit_strategy": "vad", "vad_silence_threshold_secs": "60"}, {"min_silence_ms": 3000}),
        ({"language_code": "de-DE"}, {"language": "de"}),
        ({"language_code": "de", "secondary_languages": "fr"}, {"language": "auto"}),
        ({"enable_logging": "false"}, {"store": False}),
        ({"include_timestamps": "true"}, {"word_timestamps": True}),
        ({"keyterms": "Bath"}, {"vocabulary": ("Bath",)}),
        ({"model_id": "scribe_v2_realtime"}, {"model": "scribe_v2_realtime"}),
    ],
)
def test_a_request_becomes_parameters(query: dict[str, str], config: dict[str, Any]) -> None:
    asked = msgspec.structs.asdict(opening(**query).config)
    assert {name: asked[name] for name in config} == config


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"audio_format": "mp3"}, "audio_format"),
        ({"commit_strategy": "never"}, "commit_strategy"),
        ({"entity_redaction": "name"}, "entity_redaction"),
        ({"transcript_edit": "true"}, "transcript_edit"),
        ({"include_timestamps": "x"}, "include_timestamps"),
        ({"commit_strategy": "vad", "vad_silence_threshold_secs": "x"}, "vad_silence_threshold_secs"),
    ],
)
def test_what_cannot_be_done_is_refused(query: dict[str, str], param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        opening(**query)
    assert refused.value.param == param


def test_the_key_is_in_a_header_or_in_the_query() -> None:
    dialect = ElevenLabsRealtime()
    assert dialect.open(Handshake(headers={"xi-api-key": "K"})).credential == "K"
    assert opening(token="T").credential == "T"
    assert opening().credential is None


def test_what_is_in_force_is_said_at_once() -> None:
    (started,) = told(conversation(commit_strategy="turn_prediction", vad_threshold="0.4").greet())
    assert started == {
        "message_type": "session_started",
        "session_id": "id",
        "config": {
            "sample_rate": 16_000,
            "audio_format": "pcm_16000",
            "commit_strategy": "vad",
            "model_id": "fast",
            "include_timestamps": False,
            "include_language_detection": False,
            "keyterms": [],
            "enable_logging": True,
            "vad_silence_threshold_secs": 1.5,
        },
    }
    assert told(conversation(language_code="en").greet())[0]["config"]["language_code"] == "en"
    assert opening(vad_threshold="0.4").ignored == ("vad_threshold",)


def test_a_client_that_commits_gets_one_answer_for_each_commit() -> None:
    spoken = conversation()
    assert said(
        spoken,
        SpeechStart(timestamp=0.1),
        Partial(text="Hello"),
        Final(text="Hello."),
        Partial(text="And"),
        Final(text="And you.", flush_id="commit-1"),
        Final(text="", flush_id="commit-2"),
        Partial(text="More"),
    ) == [
        ("partial_transcript", "Hello"),
        ("partial_transcript", "Hello. And"),
        ("committed_transcript", "Hello. And you."),
        ("committed_transcript", ""),
        ("partial_transcript", "More"),
    ]


def test_with_vad_each_utterance_is_committed() -> None:
    spoken = conversation(commit_strategy="vad")
    assert said(spoken, Final(text="One."), Final(text=""), Final(text="", flush_id="commit-1")) == [
        ("committed_transcript", "One."),
        ("committed_transcript", ""),
    ]


def test_times_and_language_come_in_a_message_of_their_own() -> None:
    words = (Word(word="Hello,", start=0.1, end=0.4, confidence=0.5), Word(word="you."))
    final = Final(text="Hello, you.", words=words, language="en", flush_id="commit-1")
    _, timed = told(conversation(include_timestamps="true").translate(final))
    assert timed == {
        "message_type": "committed_transcript_with_timestamps",
        "text": "Hello, you.",
        "language_code": "en",
        "words": [
            {"text": "Hello,", "type": "word", "start": 0.1, "end": 0.4, "logprob": -0.6931},
            {"text": " ", "type": "spacing"},
            {"text": "you.", "type": "word"},
        ],
    }
    _, detected = told(conversation(include_language_detection="true").translate(final))
    assert (detected["language_code"], "words" in detected) == ("en", False)


@pytest.mark.parametrize(
    ("message", "actions"),
    [
        ({"audio_base_64": AUDIO, "commit": False}, [AppendAudio(b"\1\2" * 4)]),
        ({"audio_base_64": AUDIO, "commit": True}, [AppendAudio(b"\1\2" * 4), FlushSession("commit-1")]),
        ({"audio_base_64": "", "commit": True, "previous_text": None}, [FlushSession("commit-1")]),
        ({"audio_base_64": "", "commit": False}, []),
        ({"commit": "yes"}, []),
        ({}, []),
    ],
)
def test_what_a_message_means(message: dict[str, Any], actions: list[Any]) -> None:
    frame = msgspec.json.encode({"message_type": "input_audio_chunk", **message}).decode()
    assert told(conversation().receive(frame)) == actions


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"audio_base_64":"!"}',
        '{"audio_base_64":7}',
        '{"audio_base_64":["x"]}',
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_is_told_and_not_fatal(frame: str | bytes) -> None:
    (error,) = told(conversation().receive(frame))
    assert error["message_type"] == "invalid_request"


@pytest.mark.parametrize(
    ("code", "kinds", "close"),
    [
        (CloseCode.NORMAL, [], 1000),
        (CloseCode.IDLE_TIMEOUT, [], 1000),
        (CloseCode.RESTARTING, [], 1012),
        (CloseCode.NO_CAPACITY, [], 1013),
        (CloseCode.LAG_EXCEEDED, ["queue_overflow"], 1013),
        (CloseCode.SESSION_TOO_LONG, ["session_time_limit_exceeded"], 1000),
        (CloseCode.INTERNAL, ["transcriber_error"], 1011),
        (CloseCode.UNAUTHORIZED, ["auth_error"], 1008),
    ],
)
def test_how_a_connection_ends(code: CloseCode, kinds: list[str], close: int) -> None:
    *errors, ended = told(conversation().conclude(SessionOutcome.error(code, "why")))
    assert ([error["message_type"] for error in errors], ended[0]) == (kinds, close)
    assert all(error["error"] == "why" for error in errors)
