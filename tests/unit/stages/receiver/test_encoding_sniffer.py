"""Checks that telephone audio sent as 16-bit samples is noticed, and that 16-bit samples never are."""

import io

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from bench.recordings.signals import SIGNALS, generate
from dalston_realtime.client.audio.files import to_pcm
from stages.receiver.encoding_sniffer import EncodingSniffer, Telephone, describe_encoding
from tests.support.recordings import recording

Floats = npt.NDArray[np.float32]
SUBTYPES: dict[Telephone, str] = {"mulaw": "ULAW", "alaw": "ALAW"}
TIME = np.arange(5 * 16_000) / 16_000


def telephone(samples: Floats, encoding: Telephone) -> bytes:
    """A byte for each sample."""
    out = io.BytesIO()
    soundfile.write(out, samples, 16_000, format="RAW", subtype=SUBTYPES[encoding])
    return out.getvalue()


def noticed(data: bytes, piece: int = 3_201) -> tuple[Telephone | None, int]:
    """What is found, and the bytes that it took."""
    sniffer = EncodingSniffer(goes_on=False)
    for at in range(0, len(data), piece):
        sniffer.inspect(data[at : at + piece])
        if sniffer.found:
            return sniffer.found, at + piece
    return None, len(data)


@pytest.mark.parametrize("encoding", SUBTYPES)
@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize("gain", [1.0, 0.1])
@pytest.mark.parametrize("name", ["beckett", "two_cities"])
def test_a_call_is_noticed_within_a_second_of_speech(
    name: str, encoding: Telephone, rate: int, gain: float
) -> None:
    speech = soxr.resample(recording(f"{name}.wav")[8_000:], 16_000, rate) * gain
    found, taken = noticed(telephone(speech, encoding))
    assert found == encoding
    assert taken < 1.2 * 32_000


def test_silence_before_the_speech_is_waited_for() -> None:
    silence = np.zeros(60 * 8_000, np.float32)
    speech = np.concatenate([silence, recording("beckett.wav")])
    assert noticed(telephone(speech, "mulaw"))[0] == "mulaw"


@pytest.mark.parametrize("name", ["beckett", "two_cities", "endgame_nagg_nell", "error", "success"])
@pytest.mark.parametrize("peak", [0.003, 0.3, 1.0, 3.0, 20.0])
def test_recordings_of_any_loudness_are_samples(name: str, peak: float) -> None:
    samples = recording(f"{name}.wav")
    loud = np.clip(samples * (peak / np.abs(samples).max()), -1, 1)
    assert noticed(to_pcm(loud))[0] is None
    assert noticed(to_pcm(np.repeat(loud, 2)))[0] is None  # the same on two channels
    assert noticed((np.round(loud * 127).astype("<i2") * 257).tobytes())[0] is None  # of 8 bits


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("gain", [0.1, 1.0, 10.0])
def test_sounds_without_speech_are_samples(name: str, gain: float) -> None:
    assert noticed(to_pcm(np.clip(generate(name, 10.0, 3) * gain, -1, 1)))[0] is None


@pytest.mark.parametrize("frequency", [50, 425, 697, 1_000, 2_100, 4_000, 7_900])
@pytest.mark.parametrize("gain", [0.01, 0.3, 1.0, 30.0])
def test_tones_and_square_waves_are_samples(frequency: int, gain: float) -> None:
    tone = np.sin(2 * np.pi * frequency * TIME)
    assert noticed(to_pcm(np.clip(gain * tone, -1, 1).astype(np.float32)))[0] is None
    assert noticed(to_pcm((min(gain, 1) * np.sign(tone)).astype(np.float32)))[0] is None


def test_a_stream_that_goes_on_or_was_plain_for_long_is_not_looked_at() -> None:
    call = telephone(recording("beckett.wav"), "mulaw")
    goes_on = EncodingSniffer(goes_on=True)
    goes_on.inspect(call)
    assert goes_on.found is None
    assert noticed(to_pcm(generate("white noise, -20 dB", 10.0, 1)) + call)[0] is None


def test_the_message_says_what_to_set() -> None:
    assert "encoding=mulaw" in describe_encoding("mulaw", "pcm_s16le")
    assert "A-law" in describe_encoding("alaw", "pcm_s16le")
