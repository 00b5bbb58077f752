"""Checks that no message and no WAV file of a Riva client is more than a request that is refused."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.realtime.riva.calls import parse
from gateway.realtime.riva.parameters import ignored_flags, session_config
from gateway.realtime.riva.proto import ConfigRequest, RecognitionConfig, RecognizeRequest, StreamingRequest
from gateway.realtime.riva.recording import without_header
from runtime.errors import SessionError
from runtime.worker_link import VERSION, OpenSession, encode

NUMBERS = st.integers(0, 9) | st.integers(0, 0xFFFFFFFF)


def wav(rate: int, channels: int = 1, bits: int = 16, block: int = 2) -> bytes:
    """A WAV file of four samples with this header."""
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, channels & 0xFFFF, rate, rate, block & 0xFFFF, bits & 0xFFFF
    )
    return struct.pack("<4sI4s", b"RIFF", 44, b"WAVE") + form + struct.pack("<4sI", b"data", 8) + bytes(8)


def ask(config: bytes, audio: bytes) -> None:
    """What the service makes of a call."""
    asked, samples = without_header(parse(RecognitionConfig, config), audio)
    ignored_flags(asked)
    assert len(samples) <= len(audio)
    made = session_config(asked, interim_results=True)
    encode(OpenSession(version=VERSION, session_id="s", link_id="", config=made))


@given(st.binary(max_size=60), st.sampled_from([ConfigRequest, RecognizeRequest, StreamingRequest]))
def test_any_bytes_are_a_message_or_refused(data: bytes, kind: type) -> None:
    with suppress(SessionError):
        parse(kind, data)


@given(st.binary(max_size=60), st.builds(wav, NUMBERS, NUMBERS, NUMBERS, NUMBERS))
def test_any_configuration_is_read_or_refused(config: bytes, audio: bytes) -> None:
    with suppress(SessionError, InvalidParameter):
        ask(config, audio)


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    audio = bytearray(wav(16_000))
    for at in data.draw(st.lists(st.integers(4, len(audio) - 1), max_size=3)):
        audio[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF]))
    cut = data.draw(st.integers(0, len(audio)))
    with suppress(SessionError, InvalidParameter):
        ask(b"", bytes(audio[:cut]))


def test_a_part_that_goes_on_behind_the_end_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="ends too early"):
        ask(b"", wav(16_000).replace(struct.pack("<I", 16), struct.pack("<I", 140)))


def test_a_rate_that_no_message_can_have_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="sample_rate"):
        ask(b"", wav(0xFFFFFFFF))
