"""OpenAI's realtime protocol as frames in and out: the order of events, the held finals, what is in force."""

import base64
import json
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Final, Partial, SessionEnd, SpeechEnd, SpeechStart
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.realtime.dialects.actions import AppendAudio, ChangeSession, FlushSession, NoteIgnored
from gateway.realtime.dialects.dialect import Conversation, Opening
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.openai_realtime import PIECE, OpenAIRealtime
from gateway.sessions.outcome import SessionOutcome
from tests.support.dialect_clients import told

MANUAL = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}


def opening(*subprotocols: str, headers: dict[str, str] | None = None, **query: str) -> Opening:
    """What a request means."""
    ids = map(str, count(1))
    dialect = OpenAIRealtime(lambda: next(ids))
    return dialect.open(Handshake(tuple(query.items()), headers or {}, subprotocols))


def conversation(*, beta: bool = False, update: Any = None) -> Conversation:
    """A connection, with this update in force."""
    headers = {"openai-beta": "realtime=v1"} if beta else {}
    asked = opening(headers=headers, model="fast")
    begun = asked.begin(asked.config)
    told(begun.greet())
    if update is not None:
        send(begun, "session.update", session=update)
    return begun


def send(to: Conversation, kind: str, **fields: Any) -> list[Any]:
    """What a message of the client means."""
    return told(to.receive(json.dumps({"type": kind, **fields})))


def commit(to: Conversation, kind: str = "commit") -> str:
    """Commit, or clear; the id of the flush."""
    [flush] = send(to, f"input_audio_buffer.{kind}")
    assert isinstance(flush, FlushSession)
    return flush.id


def short(actions: Iterable[Any]) -> list[tuple[Any, ...]]:
    """The messages in few words: the type without its prefixes, the item, and what it says."""
    said = []
    for each in told(actions):
        kind = each["type"].rpartition(".")[2]
        item = each.get("item_id") or (each.get("item") or {}).get("id")
        values = (each.get(name) for name in ("delta", "transcript", "audio_start_ms", "audio_end_ms"))
        said.append((kind, item, *(value for value in values if value is not None)))
    return said


def hear(to: Conversation, *events: Event) -> list[tuple[Any, ...]]:
    """What the client is told of events."""
    return [each for event in events for each in short(to.translate(event))]


def closed(item: str, text: str, *deltas: str) -> list[tuple[Any, ...]]:
    """The end of an item."""
    said = [("delta", item, delta) for delta in deltas]
    return [("committed", item), ("added", item), ("done", item), *said, ("completed", item, text)]


def test_an_utterance_is_an_item_whose_deltas_are_its_text() -> None:
    talk = conversation()
    events: list[Event] = [
        SpeechStart(timestamp=0.5),
        Partial(text="Hello wor", stable=5, start=0.5, end=1.0),
        Partial(text="Hello world and", stable=12, start=0.5, end=1.3),
        SpeechEnd(timestamp=1.5),
        Final(text="Hello world and all.", start=0.5, end=1.5),
    ]
    assert hear(talk, *events) == [
        ("speech_started", "item_2", 500),
        ("delta", "item_2", "Hello"),
        ("delta", "item_2", " world"),
        ("speech_stopped", "item_2", 1500),
        *closed("item_2", "Hello world and all.", " and all."),
    ]


def test_the_golden_frames_of_an_utterance() -> None:
    talk = conversation()
    said = told(talk.translate(Final(text="Hi.", start=0.5, end=1.5, language="en")))
    name = "conversation.item.input_audio_transcription"
    item = {
        "id": "item_2",
        "object": "realtime.item",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    usage = {"type": "duration", "seconds": 1.0}
    about = {"item_id": "item_2", "content_index": 0}
    assert said == [
        {"type": "input_audio_buffer.speech_started", "event_id": "event_2", "item_id": "item_2"}
        | {"audio_start_ms": 500},
        {"type": "input_audio_buffer.speech_stopped", "event_id": "event_3", "item_id": "item_2"}
        | {"audio_end_ms": 1500},
        {"type": "input_audio_buffer.committed", "event_id": "event_4", "item_id": "item_2"}
        | {"previous_item_id": None},
        {"type": "conversation.item.added", "event_id": "event_5", "item": item, "previous_item_id": None},
        {"type": "conversation.item.done", "event_id": "event_6", "item": item, "previous_item_id": None},
        {"type": f"{name}.delta", "event_id": "event_7", **about, "delta": "Hi."},
        {"type": f"{name}.completed", "event_id": "event_8", **about, "transcript": "Hi."}
        | {"usage": usage, "languages": [{"code": "en"}]},
    ]


def test_a_final_behind_the_next_speech_belongs_to_its_own_item() -> None:
    talk = conversation()
    events: list[Event] = [
        SpeechStart(timestamp=0.5),
        SpeechEnd(timestamp=1.5),
        SpeechStart(timestamp=1.9),
        Final(text="One.", start=0.5, end=1.5),
        SpeechEnd(timestamp=2.5),
        Final(text="Two.", start=1.9, end=2.5),
    ]
    said = hear(talk, *events)
    assert [each for each in said if each[0] in ("completed", "speech_started")] == [
        ("speech_started", "item_2", 500),
        ("speech_started", "item_3", 1900),
        ("completed", "item_2", "One."),
        ("completed", "item_3", "Two."),
    ]


def test_speech_without_text_ends_too() -> None:
    talk = conversation()
    assert hear(talk, SpeechStart(timestamp=0.5), SpeechEnd(timestamp=0.7))[1:] == [
        ("speech_stopped", "item_2", 700)
    ]
    assert short(talk.on_heard(2.6)) == []
    assert short(talk.on_heard(2.8)) == closed("item_2", "")
    hear(talk, SpeechStart(timestamp=3.0), SpeechEnd(timestamp=3.2), SpeechStart(timestamp=4.0))
    assert hear(talk, Final(text="Yes.", start=4.0, end=4.5))[:4] == closed("item_3", "")
    hear(talk, SpeechEnd(timestamp=4.5))
    assert hear(talk, SessionEnd()) == closed("item_5", "")


def test_who_talks_on_gets_an_item_for_each_piece() -> None:
    talk = conversation()
    events: list[Event] = [
        SpeechStart(timestamp=0.5),
        Final(text="Twelve seconds", start=0.5, end=12.5),
        SpeechEnd(timestamp=14.0),
        Final(text="and more.", start=12.5, end=14.0),
    ]
    assert hear(talk, *events) == [
        ("speech_started", "item_2", 500),
        ("speech_stopped", "item_2", 12_500),
        *closed("item_2", "Twelve seconds", "Twelve seconds"),
        ("speech_started", "item_3", 12_500),
        ("speech_stopped", "item_3", 14_000),
        *closed("item_3", "and more.", "and more."),
    ]


def test_a_manual_client_gets_nothing_before_its_commit_but_deltas() -> None:
    talk = conversation(update=MANUAL)
    events: list[Event] = [
        SpeechStart(timestamp=0.5),
        Partial(text="One.", stable=4),
        SpeechEnd(timestamp=1.0),
        Final(text="One.", start=0.5, end=1.0),
        Partial(text="Two and", stable=3),
    ]
    assert hear(talk, *events) == [("delta", "item_2", "One."), ("delta", "item_2", " Two")]
    first, second = commit(talk), commit(talk)
    answer = hear(talk, Final(text="Two and three.", start=1.2, end=2.5, flush_id=first))
    assert answer == closed("item_2", "One. Two and three.", " and three.")
    assert hear(talk, Final(text="", flush_id=second)) == closed("item_3", "")


def test_joined_deltas_are_the_transcript_even_where_nothing_follows() -> None:
    talk = conversation(update=MANUAL)
    told_before = hear(talk, Final(text="One.", start=0, end=1), Partial(text="um", stable=0))
    assert told_before == [("delta", "item_2", "One.")]
    assert hear(talk, Final(text="", flush_id=commit(talk))) == closed("item_2", "One.")


def test_a_commit_ends_the_open_utterance_once() -> None:
    talk = conversation()
    hear(talk, SpeechStart(timestamp=0.5))
    flush = commit(talk)
    said = hear(talk, SpeechEnd(timestamp=1.5), Final(text="Hi.", start=0.5, end=1.5, flush_id=flush))
    assert said == [("speech_stopped", "item_2", 1500), *closed("item_2", "Hi.", "Hi.")]
    assert hear(talk, Final(text="", flush_id=commit(talk))) == closed("item_3", "")


@pytest.mark.parametrize("speaks", [False, True])
def test_a_commit_behind_speech_without_text_is_its_answer(speaks: bool) -> None:
    talk = conversation()
    hear(talk, SpeechStart(timestamp=0.5), SpeechEnd(timestamp=0.7))
    flush = commit(talk)
    if speaks:
        hear(talk, SpeechStart(timestamp=1.2))
    assert hear(talk, Final(text="", flush_id=flush)) == closed("item_2", "")


def test_clear_throws_away_what_was_not_committed_and_nothing_else() -> None:
    talk = conversation(update=MANUAL)
    hear(talk, Final(text="Keep.", start=0, end=1))
    first, clear, second = commit(talk), commit(talk, "clear"), commit(talk)
    assert hear(talk, Final(text="", flush_id=first)) == closed("item_2", "Keep.")
    dropped: list[Event] = [Partial(text="Drop", stable=4), Final(text="Drop.", start=1, end=2)]
    assert hear(talk, *dropped, Final(text="", flush_id=clear)) == [("cleared", None)]
    answer = hear(talk, Final(text="New.", start=2, end=3, flush_id=second))
    assert answer == closed("item_3", "New.", "New.")


def test_clear_closes_an_item_that_was_shown() -> None:
    talk = conversation()
    hear(talk, SpeechStart(timestamp=0.5), Partial(text="Hello there", stable=5, end=1.0))
    clear = commit(talk, "clear")
    said = hear(talk, SpeechEnd(timestamp=1.0), Final(text="Hello.", start=0.5, end=1.0, flush_id=clear))
    assert said == [("speech_stopped", "item_2", 1000), *closed("item_2", ""), ("cleared", None)]


@pytest.mark.parametrize(
    ("update", "config"),
    [
        ({}, {"min_silence_ms": 500, "sample_rate": 24_000, "model": "fast", "overflow": "queue"}),
        ({"turn_detection": {"type": "server_vad"}}, {"min_silence_ms": 500}),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}, {"min_silence_ms": 500}),
        ({"turn_detection": {"silence_duration_ms": 10}}, {"min_silence_ms": 100}),
        ({"turn_detection": {"silence_duration_ms": 1e9}}, {"min_silence_ms": 3000}),
        ({"turn_detection": None}, {"min_silence_ms": 300}),
        ({"transcription": {"model": "gpt-4o-transcribe", "language": "en-US"}}, {"language": "en"}),
        ({"transcription": {"languages": ["de"]}}, {"language": "de"}),
        ({"transcription": {"languages": ["de", "en"]}}, {"language": "auto"}),
        ({"transcription": {"keywords": ["Elinor", "", "x" * 51]}}, {"vocabulary": ("Elinor",)}),
        ({"format": {"type": "audio/pcmu"}}, {"encoding": "mulaw", "sample_rate": 8000}),
        ({"format": {"type": "audio/pcma"}}, {"encoding": "alaw", "sample_rate": 8000}),
        ({"format": {"type": "audio/pcm", "rate": 48_000}}, {"sample_rate": 48_000}),
        ({"transcription": None, "format": None, "odd": 1}, {"model": "fast"}),
    ],
)
def test_an_update_becomes_parameters(update: dict[str, Any], config: dict[str, Any]) -> None:
    session = {"type": "transcription", "audio": {"input": update}}
    change = send(conversation(), "session.update", session=session)[-1]
    assert isinstance(change, ChangeSession)
    assert {name: getattr(change.config, name) for name in config} == config


def test_the_flat_form_of_the_beta_means_the_same() -> None:
    talk = conversation()
    flat = {
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"language": "en"},
        "turn_detection": None,
    }
    assert send(talk, "transcription_session.update", session=flat) == [
        ChangeSession(
            SessionConfig(model="fast", language="en", encoding="mulaw", sample_rate=8_000, overflow="queue")
        )
    ]
    [updated] = told(talk.accept(SessionConfig(model="accurate")))
    assert updated["type"] == "transcription_session.updated"
    session = updated["session"]
    assert session["input_audio_format"] == "g711_ulaw"
    assert session["input_audio_transcription"] == {"model": "accurate", "language": "en", "prompt": ""}
    assert session["turn_detection"] is None
    assert [each[0] for each in hear(talk, Final(text="", flush_id=commit(talk)))] == [
        "committed",
        "created",
        "completed",
    ]


def test_what_is_in_force_is_shown() -> None:
    talk = conversation()
    detection = {"type": "semantic_vad", "threshold": 0.5, "silence_duration_ms": 20}
    asked = {
        "turn_detection": detection,
        "noise_reduction": {"type": "near_field"},
        "transcription": {"prompt": "Names"},
    }
    logs = ["item.input_audio_transcription.logprobs"]
    said = send(talk, "session.update", session={"audio": {"input": asked}, "include": logs})
    flags = ("threshold", "prompt", "semantic_vad", "noise_reduction", "include")
    assert said[0] == NoteIgnored("openai", flags)
    [updated] = told(talk.accept(SessionConfig(model="accurate")))
    assert updated["session"] == {
        "id": "sess_1",
        "object": "realtime.transcription_session",
        "expires_at": 0,
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": "accurate", "language": None, "prompt": ""},
                "noise_reduction": None,
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 100},
            }
        },
        "include": None,
    }


def test_an_update_that_the_server_refuses_changes_nothing() -> None:
    talk = conversation()
    send(talk, "session.update", session=MANUAL)
    [error] = told(talk.reject(InvalidParameter("language", "not spoken here")))
    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "not spoken here",
        "param": "language",
        "event_id": None,
    }
    assert hear(talk, SpeechStart(timestamp=1.0)) == [("speech_started", "item_2", 1000)]


DEEP = '{"type":"session.update","session":' + '{"a":' * 50_000 + "1" + "}" * 50_001


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x01",
        "",
        "[]",
        "{",
        "\ud800",
        DEEP,
        '{"type":"input_audio_buffer.append","audio":"no base64!"}',
        '{"type":"input_audio_buffer.append","audio":[1]}',
        '{"type":"input_audio_buffer.append","audio":"AAA"}',
        '{"type":"session.update"}',
        '{"type":"session.update","session":[]}',
        '{"type":"session.update","session":{"type":"realtime"}}',
        '{"type":"session.update","session":{"audio":1}}',
        '{"type":"session.update","session":{"audio":{"input":[1]}}}',
        '{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/mp3"}}}}}',
        '{"type":"session.update","session":{"audio":{"input":{"format":{"type":[]}}}}}',
        '{"type":"session.update","session":{"audio":{"input":{"format":{"rate":true}}}}}',
        '{"type":"session.update","session":{"audio":{"input":{"format":{"rate":7}}}}}',
        '{"type":"session.update","session":{"audio":{"input":{"turn_detection":"server_vad"}}}}',
        '{"type":"session.update","session":{"turn_detection":{"silence_duration_ms":"soon"}}}',
        '{"type":"session.update","session":{"input_audio_transcription":{"language":7}}}',
        '{"type":"session.update","session":{"input_audio_transcription":{"language":"x"}}}',
        '{"type":"session.update","session":{"input_audio_transcription":{"model":"\\n"}}}',
        '{"type":"session.update","session":{"input_audio_transcription":{"keywords":[1]}}}',
        '{"type":"session.update","session":{"input_audio_format":"mp3"}}',
        '{"type":"session.update","session":{"input_audio_format":{}}}',
        '{"type":"response.create","event_id":"mine"}',
    ],
)
def test_what_cannot_be_is_an_error_and_the_session_goes_on(frame: bytes | str) -> None:
    talk = conversation()
    [error] = told(talk.receive(frame))
    assert error["type"] == "error"
    assert error["error"]["type"] == "invalid_request_error"
    assert hear(talk, Final(text="", flush_id=commit(talk))) == closed("item_2", "")


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"type":7}',
        '{"type":["session.update"]}',
        '{"type":"output_audio_buffer.clear"}',
        '{"type":"input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.append","audio":""}',
    ],
)
def test_what_is_harmless_is_no_error(frame: str) -> None:
    assert told(conversation().receive(frame)) == []


def test_what_a_client_secret_says_is_in_force_until_an_update() -> None:
    words = {"model": "gpt-4o-transcribe", "language": "de-DE", "prompt": "Elinor"}
    session = json.dumps({"audio": {"input": {"transcription": words, "turn_detection": None}}})
    asked = OpenAIRealtime(lambda: "id").open_with(Handshake((("model", "fast"),)), session)
    assert (asked.config.model, asked.config.language) == ("gpt-4o-transcribe", "de")
    assert asked.ignored == ("prompt",)
    begun = asked.begin(asked.config)
    [created] = told(begun.greet())
    assert created["session"]["audio"]["input"]["turn_detection"] is None
    update = {"audio": {"input": {"transcription": {"language": "en"}}}}
    *_, change = send(begun, "session.update", session=update)
    assert (change.config.model, change.config.language) == ("gpt-4o-transcribe", "en")


def test_audio_is_passed_on_in_pieces() -> None:
    audio = bytes(range(256)) * 1000 + b"\x01"
    sent = send(conversation(), "input_audio_buffer.append", audio=base64.b64encode(audio).decode())
    assert b"".join(each.data for each in sent if isinstance(each, AppendAudio)) == audio
    assert max(len(each.data) for each in sent) == PIECE


@pytest.mark.parametrize(
    ("headers", "offered", "key", "selected", "first"),
    [
        ({"authorization": "Bearer K"}, (), "K", None, "session.created"),
        ({}, ("realtime", "openai-insecure-api-key.K"), "K", "realtime", "session.created"),
        (
            {},
            ("realtime", "openai-insecure-api-key.K", "openai-beta.realtime-v1"),
            "K",
            "realtime",
            "transcription_session.created",
        ),
        ({"openai-beta": "realtime=v1"}, (), None, None, "transcription_session.created"),
        ({}, ("other",), None, None, "session.created"),
    ],
)
def test_the_handshake(
    headers: dict[str, str], offered: tuple[str, ...], key: str | None, selected: str | None, first: str
) -> None:
    asked = opening(*offered, headers=headers, intent="transcription")
    assert (asked.credential, asked.subprotocol) == (key, selected)
    [greeting] = told(asked.begin(asked.config).greet())
    assert greeting["type"] == first


@pytest.mark.parametrize(
    ("code", "close"),
    [
        (CloseCode.NO_CAPACITY, 1013),
        (CloseCode.LAG_EXCEEDED, 1013),
        (CloseCode.IDLE_TIMEOUT, 1000),
        (CloseCode.RESTARTING, 1012),
        (CloseCode.INTERNAL, 1011),
        (CloseCode.SESSION_TOO_LONG, 1001),
    ],
)
def test_what_a_client_may_try_again_is_a_close_and_no_error(code: CloseCode, close: int) -> None:
    [said] = told(conversation().conclude(SessionOutcome.error(code, "why")))
    assert said[0] == close


def test_a_frame_that_is_too_long_is_named_before_the_close() -> None:
    error, close = told(conversation().conclude(SessionOutcome.error(CloseCode.INVALID_REQUEST, "too long")))
    assert (error["error"]["message"], close[0]) == ("too long", 1008)


def test_a_limit_is_named_before_the_close() -> None:
    outcome = SessionOutcome.error(CloseCode.TOO_MANY_SESSIONS, "2 of 2 s of audio a day are used", 60.0)
    error, close = told(conversation().conclude(outcome))
    assert error["error"]["message"] == "2 of 2 s of audio a day are used"
    assert close == (1013, "a limit of this key is reached")
