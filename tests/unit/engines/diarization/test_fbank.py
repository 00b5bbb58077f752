"""Checks the spectrum against Kaldi's definition, step by step, and what Kaldi's own code computes."""

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.diarization.fbank import BANDS, count_frames, fbank

Floats = npt.NDArray[np.float32]

KALDI_BANDS = [0, 10, 20, 30, 40, 50, 60, 70, 79]
KALDI = [-12.749, -12.353, -5.251, -9.105, -9.386, -9.172, -4.721, -4.857, -3.889]


def chirp(samples: int) -> Floats:
    """A tone that rises, with a little noise of a simple generator that is the same everywhere."""
    time = np.arange(samples) / 16_000
    noise = (np.arange(samples) * 7919 % 1000) / 1000 - 0.5
    return (0.3 * np.sin(2 * np.pi * (200 + 1500 * time) * time) + 0.01 * noise).astype(np.float32)


def by_the_book(audio: Floats) -> Floats:
    """The same, frame by frame and band by band, as Kaldi's source says it."""

    def mel(hz: float) -> float:
        return float(1127 * np.log(1 + hz / 700))

    low, high = mel(20.0), mel(8000.0)
    step, found = (high - low) / 81, []
    for start in range(0, len(audio) - 399, 160):
        frame = audio[start : start + 400].astype(np.float64)
        frame = frame - frame.mean()
        frame = np.array([x - 0.97 * frame[max(0, i - 1)] for i, x in enumerate(frame)])
        frame *= [(0.5 - 0.5 * np.cos(2 * np.pi * i / 399)) ** 0.85 for i in range(400)]
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        row = []
        for band in range(80):
            left, middle, right = (low + (band + k) * step for k in range(3))
            energy = 0.0
            for k in range(256):
                at = mel(k * 16_000 / 512)
                if left < at < right:
                    rising = at <= middle
                    energy += power[k] * ((at - left) if rising else (right - at)) / step
            row.append(np.log(max(energy, 1.1920929e-07)))
        found.append(row)
    return np.array(found, np.float32)


def test_it_is_kaldis_definition() -> None:
    audio = chirp(4_000)
    assert np.allclose(fbank(audio), by_the_book(audio), atol=1e-3)


def test_it_is_what_kaldi_computes() -> None:
    """The numbers are those of kaldi-native-fbank for the same sound, with 80 bands and without dither."""
    found = fbank(chirp(8_000))
    assert found.shape == (48, BANDS)
    assert np.allclose(found[20, KALDI_BANDS], KALDI, atol=2e-3)


@given(samples=st.integers(0, 5_000))
@settings(max_examples=40, deadline=None)
def test_a_frame_needs_25_ms(samples: int) -> None:
    assert (
        len(fbank(np.zeros(samples, np.float32))) == count_frames(samples) == max(0, (samples - 240) // 160)
    )


def test_long_audio_is_computed_in_parts_that_fit() -> None:
    audio = np.tile(chirp(16_000), 32)
    assert np.allclose(fbank(audio)[2_990:3_010], fbank(audio[2_990 * 160 : 3_009 * 160 + 400]), atol=1e-4)
