"""Checks that no request and no frame of a client makes a dialect raise anything, or say too much."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import MAX_ID
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Partial, SessionBegin, SessionEnd, SpeechEnd, SpeechStart
from dalston_realtime.protocol.events import Final as FinalEvent
from gateway.realtime.dialects.actions import (
    Action,
    AppendAudio,
    ChangeSession,
    FlushSession,
    IdentifyClient,
    SayFrame,
)
from gateway.realtime.dialects.dialect import Conversation, Dialect
from gateway.realtime.dialects.handshake import Handshake
from gateway.realtime.dialects.registered import DIALECTS
from gateway.sessions.outcome import SessionOutcome
from runtime.worker_link import VERSION, OpenSession, encode
from tests.support.hostile_frames import fewer, hostile_objects, nested

BY_NAME: Final = {dialect.name: dialect for dialect in DIALECTS}

QUERIES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "deepgram": (("encoding", "linear16"), ("sample_rate", "16000"), ("utterance_end_ms", "1000")),
    "flux": (("encoding", "linear16"), ("sample_rate", "16000"), ("eager_eot_threshold", "0.5")),
    "elevenlabs": (("include_timestamps", "true"), ("include_language_detection", "true")),
    "twilio": (),
    "assemblyai": (("format_turns", "true"),),
    "openai": (),
}
"""Requests that are accepted, by the name of the dialect."""

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "deepgram": ("type", "keyterms"),
    "flux": ("type", "thresholds", "eot_threshold", "eot_timeout_ms", "language_hints", "keyterms"),
    "elevenlabs": ("message_type", "audio_base_64", "commit"),
    "twilio": (
        *("event", "start", "media", "tracks", "track", "payload", "mediaFormat", "encoding", "sampleRate"),
        *("customParameters", "token", "events", "vocabulary", "store", "callSid", "streamSid"),
    ),
    "assemblyai": ("type", "min_turn_silence"),
    "openai": (
        *("type", "event_id", "audio", "session", "input", "format", "rate", "transcription", "model"),
        *("language", "languages", "keywords", "turn_detection", "silence_duration_ms", "include"),
        *("input_audio_format", "input_audio_transcription", "noise_reduction"),
    ),
}
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "deepgram": ("Finalize", "CloseStream", "Configure"),
    "flux": ("ForceEndTurn", "CloseStream", "Configure"),
    "elevenlabs": ("input_audio_chunk",),
    "twilio": ("start", "media", "stop", "socket", "audio/x-l16", "inbound", "outbound"),
    "assemblyai": ("Terminate", "ForceEndpoint", "UpdateConfiguration"),
    "openai": (
        *("input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear"),
        *("session.update", "transcription_session.update", "response.create", "transcription"),
        *("audio/pcm", "audio/pcmu", "semantic_vad", "pcm16"),
    ),
}
EVENTS: Final[tuple[Event, ...]] = (
    SessionBegin(session_id="s", model="tiny", features={"vocabulary": True}),
    SpeechStart(timestamp=0.25),
    Partial(text="so much", stable=2, start=0.25, end=0.5),
    SpeechEnd(timestamp=0.75),
    FinalEvent(text="so much", start=0.25, end=0.75, language="en"),
    FinalEvent(text="", flush_id="1"),
    SessionEnd(audio_duration=1.0),
)
MOST_SAID: Final = 20_000  # Characters of what one frame of a client is answered with; some list 100 terms.


def conversation(dialect: Dialect) -> Conversation:
    """A conversation that has begun."""
    opened = dialect.open(Handshake(QUERIES[dialect.name]))
    begun = opened.begin(opened.config)
    list(begun.greet())
    return begun


def check(frame: bytes | str, said: Action) -> None:
    """What may follow from a frame, however large that is."""
    match said:
        case SayFrame(text):
            assert len(text) <= MOST_SAID
            msgspec.json.decode(text, type=dict[str, Any])
        case AppendAudio(data):
            assert len(data) <= 4 * len(frame) + 32_000  # A missing track is filled up.
        case FlushSession(flush_id):
            assert len(flush_id) <= MAX_ID
        case ChangeSession(config):
            encode(OpenSession(version=VERSION, session_id="s", link_id="", config=config))
            assert "\\u0000" not in msgspec.json.encode(config.metadata).decode()
        case IdentifyClient(credential):
            assert credential is None or isinstance(credential, str)


def play(dialect: Dialect, frames: list[bytes | str]) -> None:
    """Frames, and between them all that a session may say."""
    begun = conversation(dialect)
    for frame in frames:
        for said in begun.receive(frame):
            check(frame, said)
            if isinstance(said, ChangeSession):
                list(begun.accept(said.config))
        for event in EVENTS:
            list(begun.translate(event))
        list(begun.on_heard(9.0))
    list(begun.reject(InvalidParameter("model", "no such model")))
    for code in CloseCode:
        list(begun.conclude(SessionOutcome.error(code, "why")))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@fewer(10)
@given(data=st.data())
def test_any_frames_are_answered(dialect: Dialect, data: st.DataObject) -> None:
    objects = hostile_objects(NAMES[dialect.name], KINDS[dialect.name])
    play(dialect, data.draw(st.lists(objects | st.binary(max_size=9), max_size=4)))


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("deepgram", '{"type":"Configure","keyterms":%s}'),
        ("flux", '{"type":"Configure","keyterms":%s,"language_hints":%s}'),
        ("flux", '{"type":"Configure","thresholds":{"eot_threshold":%s}}'),
        ("openai", '{"type":"response.create","event_id":%s}'),
        ("openai", '{"type":"session.update","session":{"audio":{"input":{"transcription":%s}}}}'),
        ("elevenlabs", '{"message_type":"input_audio_chunk","audio_base_64":%s}'),
        ("twilio", '{"event":"start","start":{"tracks":%s,"callSid":%s}}'),
        ("twilio", '{"event":"start","start":{"customParameters":{"token":%s,"vocabulary":%s}}}'),
    ],
)
def test_no_depth_is_too_deep(name: str, frame: str) -> None:
    """A value that can be read just so is not always one that can be written or shown."""
    begun = conversation(BY_NAME[name])
    for depth in range(850, 970):
        list(begun.receive(frame.replace("%s", nested(depth))))


def test_what_a_client_names_is_not_repeated_at_length() -> None:
    play(
        BY_NAME["openai"],
        [msgspec.json.encode({"type": "response.create", "event_id": "x" * (1 << 20)}).decode()],
    )


def test_a_number_that_is_too_large_for_a_float_is_refused() -> None:
    play(BY_NAME["flux"], [f'{{"type":"Configure","thresholds":{{"eot_threshold":{10**400}}}}}'])


def test_an_id_that_no_database_keeps_is_cut() -> None:
    play(BY_NAME["twilio"], ['{"event":"start","start":{"callSid":"CA\\u0000"}}'])


VALUES = st.text(max_size=12) | st.sampled_from(["true", "16000", "linear16", "multi", '["a"]', "nan", "1e9"])


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@fewer(10)
@given(data=st.data())
def test_any_request_is_read_or_refused(dialect: Dialect, data: st.DataObject) -> None:
    names = st.sampled_from(QUERY_NAMES)
    query = data.draw(st.lists(st.tuples(names, VALUES), max_size=6))
    header = st.text(st.characters(max_codepoint=255), max_size=30)
    headers = data.draw(st.dictionaries(st.sampled_from(HEADERS), header))
    offered = data.draw(st.lists(st.sampled_from(["token", "realtime", "Bearer"]) | header, max_size=3))
    with suppress(InvalidParameter):
        opened = dialect.open(Handshake((*QUERIES[dialect.name], *query), headers, tuple(offered)))
        encode(OpenSession(version=VERSION, session_id="s", link_id="", config=opened.config))
        assert opened.subprotocol in (None, *offered)
        for said in opened.begin(opened.config).greet():
            check("", said)


HEADERS: Final = ("authorization", "openai-beta", "xi-api-key")
QUERY_NAMES: Final = (
    *("model", "encoding", "sample_rate", "channels", "language", "endpointing", "utterance_end_ms"),
    *("keyterm", "keywords", "interim_results", "multichannel", "redact", "callback", "eot_threshold"),
    *("eot_timeout_ms", "language_hint", "audio_format", "commit_strategy", "language_code", "keyterms"),
    *("vad_silence_threshold_secs", "enable_logging", "token", "keyterms_prompt", "speech_model"),
    *("min_turn_silence", "format_turns", "diarize", "tag"),
)
