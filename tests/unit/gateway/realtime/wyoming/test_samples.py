"""The audio of Wyoming clients in all widths, and the sessions that they ask for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.realtime.wyoming.messages import Transcribe
from gateway.realtime.wyoming.samples import AudioFormat, SampleNarrower, session_config

SAMPLES = (0, 1, -1, 32_767, -32_768, 256)
WIDE = {
    2: struct.pack("<6h", *SAMPLES),
    3: b"".join((sample << 8 | 0x7F).to_bytes(3, "little", signed=True) for sample in SAMPLES),
    4: struct.pack("<6i", *(sample << 16 | 0x7FFF for sample in SAMPLES)),
}


@pytest.mark.parametrize("width", WIDE)
@given(size=st.integers(1, 24))
def test_samples_keep_their_upper_16_bit_wherever_they_are_cut(width: int, size: int) -> None:
    narrower, data = SampleNarrower(width), WIDE[width]
    pieces = [narrower.narrow(data[at : at + size]) for at in range(0, len(data), size)]
    assert struct.unpack("<6h", b"".join(pieces)) == SAMPLES


def test_samples_of_8_bit_are_silent_at_128() -> None:
    found = SampleNarrower(1).narrow(bytes((128, 0, 255)))
    assert struct.unpack("<3h", found) == (0, -32_768, 127 << 8)


def test_a_session_is_what_was_asked_for() -> None:
    asked = Transcribe("fast", "eng", None, "relaxed", ("Ann", "Bo"), ("lamp", "Ann", "", "x" * 51))
    config = session_config(AudioFormat(22_050, 4, 2), asked, client_ends=True)
    assert (config.model, config.language, config.sample_rate, config.channels) == ("fast", "en", 22_050, 2)
    assert (config.encoding, config.vocabulary) == ("pcm_s16le", ("Ann", "Bo", "lamp"))
    assert config.min_silence_ms == 300


@pytest.mark.parametrize(
    ("sensitivity", "silence"),
    [(None, 700), ("default", 700), ("relaxed", 1250), ("aggressive", 250), ("?", 700)],
)
def test_a_server_that_ends_the_audio_waits_as_long_as_is_asked(
    sensitivity: str | None, silence: int
) -> None:
    asked = Transcribe(vad_sensitivity=sensitivity)
    assert session_config(AudioFormat(16_000, 2, 1), asked, client_ends=False).min_silence_ms == silence


@pytest.mark.parametrize(
    ("rate", "width", "channels", "param"),
    [(16_000, 0, 1, "width"), (16_000, 5, 1, "width"), (1, 2, 1, "sample_rate"), (16_000, 2, 0, "channels")],
)
def test_audio_that_nobody_can_read_is_refused(rate: int, width: int, channels: int, param: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        session_config(AudioFormat(rate, width, channels), Transcribe(), client_ends=True)
    assert refused.value.param == param
