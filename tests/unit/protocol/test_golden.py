"""Checks each event and command against a golden file, in both directions."""

import json
from pathlib import Path
from typing import get_args

import pytest

from dalston_realtime.protocol.commands import (
    Command,
    ConfigCommand,
    EndCommand,
    FlushCommand,
    KeepaliveCommand,
    decode_command,
    encode_command,
)
from dalston_realtime.protocol.events import (
    CLIENT_END,
    Event,
    Final,
    Partial,
    Segment,
    ServerError,
    ServerWarning,
    SessionBegin,
    SessionEnd,
    SessionQueued,
    SessionResumed,
    SpeechEnd,
    SpeechStart,
    Word,
    decode_event,
    encode_event,
)
from tests.support.structs import fields_of, type_of

GOLDEN = Path(__file__).parent / "golden"
SESSION = "0f3c6e2a9b7d4c5e8f1a2b3c4d5e6f70"

EVENTS: dict[str, Event] = {
    "session.queued": SessionQueued(seq=1, position=2, expected_wait=4.5),
    "session.begin": SessionBegin(
        seq=2,
        session_id=SESSION,
        resume_token=SESSION + "8d2c9b41e07f6a35d81c4be2f0937a56",
        model="moonshine-tiny-en",
        variant="fast",
        language="en",
        degraded=True,
        config={
            "interim_results": True,
            "enable_vad": True,
            "word_timestamps": False,
            "min_silence_ms": "auto",
            "vocabulary": ["Dalston", "Zürich"],
            "timing": True,
        },
        features={
            "interim_results": True,
            "vocabulary": False,
            "word_timestamps": False,
            "requires_vad": True,
        },
    ),
    "session.resumed": SessionResumed(
        seq=42,
        session_id=SESSION,
        replayed_from=40,
        audio_received=12.3456875,
        messages_received=3,
        bytes_received=98_304,
    ),
    "vad.speech_start": SpeechStart(seq=3, timestamp=0.512, channel=0),
    "vad.speech_end": SpeechEnd(seq=4, timestamp=1.984, channel=0),
    "transcript.partial": Partial(
        seq=5,
        text="Where is the lib",
        utterance=1,
        stable=12,
        start=0.512,
        end=1.2,
        channel=0,
        timing={"vad": 0.412, "asr": 61.25, "total": 70.031},
    ),
    "transcript.final": Final(
        seq=6,
        text="Where is the library?",
        utterance=1,
        start=0.512,
        end=1.984,
        language="en",
        confidence=0.93,
        words=(
            Word(word="Where", start=0.512, end=0.7, confidence=0.99),
            Word(word="is", start=0.7, end=0.8),
            Word(word="the"),
            Word(word="library?", start=0.9, end=1.984, confidence=0.87),
        ),
        flush_id="f-1",
        channel=0,
        timing={"vad": 0.412, "asr": 88.5, "total": 97.2, "endpoint_wait": 300.0},
    ),
    "warning": ServerWarning(
        seq=7,
        code="processing_lag",
        message="results are 3.2 s behind the audio",
        lag=3.2,
        received=9.7,
        processed=6.5,
        seconds=0.25,
    ),
    "error": ServerError(
        seq=8, code="no_capacity", message="all 4 slots are taken", recoverable=False, retry_after=2.5
    ),
    "session.end": SessionEnd(
        seq=9,
        session_id=SESSION,
        transcript="Where is the library?",
        segments=(Segment(utterance=1, text="Where is the library?", start=0.512, end=1.984, channel=0),),
        audio_duration=12.35,
        speech_duration=1.472,
        reason=CLIENT_END,
        enhancement_job_id="job-1",
    ),
}
EXAMPLES: dict[str, Event] = {  # More of one type, each with the fields that it has.
    "warning.recording_incomplete": ServerWarning(
        seq=7,
        code="recording_incomplete",
        message="a part of the session can't be recorded: No space left on device",
    ),
}
COMMANDS: dict[str, Command] = {
    "flush": FlushCommand(id="f-1"),
    "config": ConfigCommand(min_silence_ms="auto", language="de", interim_results=False),
    "keepalive": KeepaliveCommand(),
    "end": EndCommand(),
}


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*EVENTS, *EXAMPLES])
def test_an_event_is_its_golden_file(name: str) -> None:
    event = (EVENTS | EXAMPLES)[name]
    assert decode_event(golden(name)) == event
    assert json.loads(encode_event(event)) == json.loads(golden(name))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_its_golden_file(name: str) -> None:
    assert decode_command(golden(name)) == COMMANDS[name]
    assert json.loads(encode_command(COMMANDS[name])) == json.loads(golden(name))


def test_every_member_of_the_unions_has_a_golden_file_with_all_of_its_fields() -> None:
    members = {type_of(member): member for member in (*get_args(Event), *get_args(Command))}

    assert {path.stem for path in GOLDEN.iterdir()} == set(members) | set(EXAMPLES)
    for name, member in members.items():
        assert set(json.loads(golden(name))) == fields_of(member) | {"type"}


def test_what_is_not_known_is_left_out() -> None:
    assert json.loads(encode_event(Final(text=""))) == {"type": "transcript.final", "text": ""}
    assert json.loads(encode_command(ConfigCommand(language="de"))) == {"type": "config", "language": "de"}


def test_an_event_says_its_type() -> None:
    assert [event.type for event in EVENTS.values()] == list(EVENTS)
    assert all(name.startswith(f"{event.type}.") for name, event in EXAMPLES.items())
