"""Riva's messages as the client's own library writes them, and what they mean here."""

import io
import wave
from typing import Any, Final

import pytest

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.events import Event, Partial, SessionEnd, SpeechStart, Word
from dalston_realtime.protocol.events import Final as FinalEvent
from dalston_realtime.protocol.models import ModelInfo
from gateway.auth.credentials import credential_of
from gateway.auth.request_facts import RequestFacts
from gateway.realtime.riva.answers import config_response, recognize_response, streaming_response
from gateway.realtime.riva.calls import STATUSES, check_end, parse, request_of
from gateway.realtime.riva.parameters import ignored_flags, session_config
from gateway.realtime.riva.proto import RecognitionConfig, RecognizeRequest, StreamingRequest
from gateway.realtime.riva.recording import without_header
from gateway.sessions.outcome import SessionOutcome
from runtime.errors import SessionError

# Written by nvidia-riva-client 2.28.0.
CONFIG: Final = bytes.fromhex(
    "0a530a4f080310c03e1a05656e2d55532002280132100a03416e6e0a046c616d70250000004038014001580"
    "16a08706172616b65657470019a010408011002c201060a0161120162ca010818c002250000003f1001a206040a026d65"
)
AUDIO: Final = bytes.fromhex("120201021a110a09666f7263655f656f75120474727565")
RECORDING: Final = bytes.fromhex("0a09080110807d1a02656e12020102")
RESPONSE: Final = bytes.fromhex(
    "0a2e0a250a085475726e20697420150000003f1a10087810e0031a045475726e250000803e2202656e1001350000c03f"
)
MODELS: Final = bytes.fromhex("0a190a0774696e792d656e120e0a047479706512066f6e6c696e65")
RECOGNIZED: Final = bytes.fromhex("0a0e0a070a054f66662e201d00000040")


def test_a_configuration_is_a_session() -> None:
    first = parse(StreamingRequest, CONFIG)
    asked = first.streaming_config.config
    config = session_config(asked, interim_results=first.streaming_config.interim_results)
    assert (config.model, config.language, config.encoding, config.sample_rate) == (
        "parakeet", "en", "mulaw", 8_000
    )  # fmt: skip
    assert (config.channels, config.vocabulary, config.min_silence_ms) == (1, ("Ann", "lamp"), 320)
    assert config.word_timestamps
    assert config.interim_results
    assert first.id.value == "me"
    assert ignored_flags(asked) == (
        "profanity_filter", "verbatim_transcripts", "max_alternatives", "custom_configuration",
        "diarization_config", "boost", "stop_threshold",
    )  # fmt: skip


def test_audio_may_come_with_a_flush() -> None:
    request = parse(StreamingRequest, AUDIO)
    assert request.audio_content == b"\1\2"
    assert [(entry.key, entry.value) for entry in request.runtime_config] == [("force_eou", "true")]
    assert not request.HasField("streaming_config")
    assert parse(RecognizeRequest, RECORDING).audio == b"\1\2"


def test_what_is_no_message_is_refused() -> None:
    with pytest.raises(SessionError, match="is no StreamingRecognizeRequest"):
        parse(StreamingRequest, b"\xff\xff")


ASKED: Final = {"encoding": 1, "sample_rate_hertz": 16_000}


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"encoding": 2}, "encoding"),
        ({"encoding": 4}, "encoding"),
        ({"sample_rate_hertz": 0}, "sample_rate"),
        ({"sample_rate_hertz": -1}, "sample_rate"),
        ({"audio_channel_count": 200}, "channels"),
        ({"language_code": "?"}, "language"),
        (
            {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True},
            "enable_separate_recognition_per_channel",
        ),
    ],
)
def test_what_nobody_can_do_is_refused(changed: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        session_config(RecognitionConfig(**ASKED | changed), interim_results=True)
    assert refused.value.param == param


@pytest.mark.parametrize(("asked", "silence"), [(0, 300), (-5, 300), (1, 100), (99_999, 3_000)])
def test_silence_has_its_bounds(asked: int, silence: int) -> None:
    config = RecognitionConfig(**ASKED, language_code="multi")
    config.endpointing_config.stop_history = asked
    found = session_config(config, interim_results=False)
    assert (found.min_silence_ms, found.language, found.interim_results) == (silence, "auto", False)


WORD: Final = Word(word="Turn", start=0.12, end=0.48, confidence=0.25)
FINAL: Final = FinalEvent(text="Turn it", end=1.5, language="en", confidence=0.5, words=(WORD,))


def test_a_final_is_what_the_library_would_read() -> None:
    assert streaming_response(FINAL).SerializeToString() == RESPONSE


def test_a_recording_has_a_result_for_each_final() -> None:
    finals = (FinalEvent(text="", end=1.0), FinalEvent(text="Off.", end=2.0))
    assert recognize_response(finals).SerializeToString() == RECOGNIZED


def test_models_are_listed() -> None:
    response = config_response([ModelInfo("fast", "tiny-en", "fake", ("en",), {})])
    assert {e.key: e.value for e in response.model_config[0].parameters} == {
        "type": "online",
        "language_code": "en",
    }
    del response.model_config[0].parameters[1]
    assert response.SerializeToString() == MODELS


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Partial(text="Tur"), (False, "Tur")),
        (Partial(text=""), None),
        (FinalEvent(text=""), None),
        (FinalEvent(text="", flush_id="1"), (True, "")),
        (SpeechStart(timestamp=1.0), None),
        (SessionEnd(), None),
    ],
)
def test_events_that_say_something_are_told(event: Event, told: tuple[bool, str] | None) -> None:
    response = streaming_response(event)
    found = response and (response.results[0].is_final, response.results[0].alternatives[0].transcript)
    assert found == told


def wav(width: int) -> bytes:
    with io.BytesIO() as file:
        with wave.open(file, "wb") as writer:
            writer.setnchannels(2)
            writer.setsampwidth(width)
            writer.setframerate(22_050)
            writer.writeframes(bytes(range(12)))
        return file.getvalue()


def test_a_wav_file_says_what_its_samples_are() -> None:
    config, audio = without_header(RecognitionConfig(encoding=3, model="m"), wav(2))
    assert (config.encoding, config.sample_rate_hertz, config.audio_channel_count) == (1, 22_050, 2)
    assert (config.model, audio) == ("m", bytes(range(12)))
    assert without_header(config, b"\1\2") == (config, b"\1\2")


@pytest.mark.parametrize("audio", [wav(3), wav(2)[:30], b"RIFF", b"RIFF" + bytes(100)])
def test_a_wav_file_that_cannot_be_read_is_refused(audio: bytes) -> None:
    with pytest.raises(InvalidParameter, match="WAV"):
        without_header(RecognitionConfig(), audio)


class FakeContext:
    """The metadata of a call, and where it comes from."""

    def __init__(self, peer: str, *pairs: tuple[str, Any]) -> None:
        self._peer, self._pairs = peer, pairs

    def invocation_metadata(self) -> tuple[tuple[str, Any], ...]:
        """All of it."""
        return self._pairs

    def peer(self) -> str:
        """The address as gRPC writes it."""
        return self._peer


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:10.0.0.7:501", "10.0.0.7"), ("ipv6:[::1]:501", "::1"), ("unix:/a", "unknown")],
)
def test_a_call_is_a_request_that_the_guard_understands(peer: str, address: str) -> None:
    metadata = ("authorization", "Bearer k"), ("x-bin", b"\xff"), ("host", "localhost")
    asked = request_of(FakeContext(peer, *metadata), "Recognize", "10.0.0.1")
    assert credential_of(asked) == "k"
    facts = RequestFacts.of(asked)
    assert (facts.host, facts.address, facts.origin) == ("10.0.0.1", address, None)


def test_every_end_has_a_status() -> None:
    assert set(CloseCode) - set(STATUSES) == {CloseCode.NORMAL}
    for good in (SessionOutcome(None), SessionOutcome(CloseCode.NORMAL)):
        check_end(good)
    with pytest.raises(SessionError, match="too slow"):
        check_end(SessionOutcome.error(CloseCode.LAG_EXCEEDED, "too slow"))
