"""Checks that a channel of opposite phase is heard, and that ordinary stereo is mixed as it always was."""

import numpy as np
import numpy.typing as npt
import pytest

from runtime.audio.channel_mixer import ChannelMixer
from tests.support.recordings import recording

Floats = npt.NDArray[np.float32]
RATE = 16_000
RANDOM = np.random.default_rng(2)
SPEECH = recording("beckett.wav")[: 6 * RATE]
OTHER = recording("two_cities.wav")[: 6 * RATE]


def noise(level: float) -> Floats:
    """Independent of every other noise."""
    return RANDOM.normal(0, level, len(SPEECH)).astype(np.float32)


def mixed(*channels: Floats, piece: int = 1_600) -> tuple[Floats, tuple[int, ...]]:
    """The mix of channels that come in pieces of so many frames, and which were inverted."""
    mixer = ChannelMixer(len(channels), RATE)
    frames = np.stack(channels, axis=1).astype(np.float32)
    parts = [mixer.mix(frames[at : at + piece].reshape(-1)) for at in range(0, len(frames), piece)]
    return np.concatenate(parts), mixer.inverted


@pytest.mark.parametrize("factor", [-1.0, -0.95, -1.05])
@pytest.mark.parametrize("level", [0.0, 0.0001])
def test_a_channel_of_opposite_phase_is_inverted(factor: float, level: float) -> None:
    mix, inverted = mixed(SPEECH, SPEECH * factor + noise(level))
    assert len(inverted) == 1
    later = slice(2 * RATE, None)
    assert np.std(mix[later]) == pytest.approx(float(np.std(SPEECH[later])), rel=0.05)


def test_of_several_channels_those_that_oppose_are_inverted() -> None:
    quiet = SPEECH * np.float32(0.5)
    mix, inverted = mixed(SPEECH, -SPEECH, quiet, -quiet)
    assert inverted == (2, 4)
    assert np.abs(mix[RATE:]).max() > 0.5 * np.abs(SPEECH[RATE:]).max()


SHARED = noise(0.1)
STEREO = {
    "the same twice": (SPEECH, SPEECH),
    "one channel is silent": (SPEECH, np.zeros_like(SPEECH)),
    "a speaker on each": (SPEECH, OTHER),
    "a delayed channel": (SPEECH, np.roll(SPEECH, 8)),
    "independent noise": (noise(0.1), noise(0.1)),
    "wide stereo": (SPEECH + 0.9 * OTHER, SPEECH - 0.9 * OTHER),
    "opposite but for a noise": (SPEECH + SHARED, -SPEECH + SHARED),
    "silence": (np.zeros_like(SPEECH), np.zeros_like(SPEECH)),
}


@pytest.mark.parametrize("name", STEREO)
def test_ordinary_stereo_is_the_mean_of_the_channels(name: str) -> None:
    mix, inverted = mixed(*STEREO[name])
    assert inverted == ()
    assert np.array_equal(mix, np.mean(np.stack(STEREO[name], axis=1), axis=1, dtype=np.float32))


@pytest.mark.parametrize("piece", [1, 7, 319, 320, 321, 5_000])
def test_the_pieces_do_not_matter(piece: int) -> None:
    channels = (SPEECH[8_000:24_000], -SPEECH[8_000:24_000])
    assert mixed(*channels)[1]
    assert np.array_equal(mixed(*channels, piece=piece)[0], mixed(*channels)[0])


def test_channels_whose_phase_is_put_right_are_mixed_as_they_are_again() -> None:
    half = len(SPEECH) // 2
    mix, inverted = mixed(SPEECH, np.concatenate([-SPEECH[:half], SPEECH[half:]]))
    assert inverted == ()
    assert np.array_equal(mix[-RATE:], SPEECH[-RATE:])
