"""Checks that tones and chimes are told from short words, by their spectrum and by a second look."""

from collections.abc import Sequence

import numpy as np
import pytest

from dalston_realtime.protocol.audio import SAMPLE_RATE
from engines.base import Floats
from engines.silero import WINDOW, SileroVad, VadState
from stages.vad.speech_guard import TONAL, SpeechGuard, tonal_share
from tests.support.recordings import recording

TIME = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
RANDOM = np.random.default_rng(4)
BECKETT = recording("beckett.wav")
WORDS = {
    "ever": (0.9, 1.4),
    "tried": (1.3, 2.0),
    "no matter": (4.0, 5.2),
}  # About where they are, in seconds.


def tones(*frequencies: float, decay: float = 0.0) -> Floats:
    """Half a second."""
    sound = sum((np.sin(2 * np.pi * f * TIME) for f in frequencies), np.zeros(len(TIME)))
    return np.asarray(0.1 * sound * np.exp(-decay * TIME), np.float32)


TONES = {
    "a dialled digit": tones(770, 1_336),
    "a ring tone": tones(440, 480),
    "a bell": tones(330, 660, 785, 990, 1_320, 1_808, decay=4.0),
    "two notes": np.concatenate([tones(523, 2_040, decay=3.0), tones(659, 2_570, decay=3.0)]),
}
OTHERS = {
    "noise": RANDOM.normal(0, 0.1, len(TIME)).astype(np.float32),
    "a glide": np.sin(2 * np.pi * np.cumsum(200 + 1_000 * TIME) / SAMPLE_RATE).astype(np.float32),
    "silence": np.zeros(8_000, np.float32),
    "a click": np.eye(1, 8_000, 4_000, dtype=np.float32)[0],
    "two samples": np.ones(2, np.float32),
    "nothing": np.zeros(1, np.float32),
}


class Certain:
    """A VAD that is as sure of any sound as a test says, one value for each look."""

    def __init__(self, *probabilities: float) -> None:
        self._probabilities = probabilities
        self.peaks: list[float] = []

    def __call__(self, sounds: Sequence[Floats], states: Sequence[VadState]) -> list[Floats]:
        self.peaks = [float(np.abs(sound).max()) for sound in sounds]
        counts = [len(sound) // WINDOW for sound in sounds]
        return [
            np.eye(1, n, dtype=np.float32)[0] * p for n, p in zip(counts, self._probabilities, strict=True)
        ]


@pytest.mark.parametrize("name", TONES)
def test_tones_are_tonal(name: str) -> None:
    assert tonal_share(TONES[name]) > TONAL


@pytest.mark.parametrize("name", OTHERS)
def test_what_moves_or_has_no_pitch_is_not_tonal(name: str) -> None:
    assert tonal_share(OTHERS[name]) < TONAL


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_words_are_not_tonal(word: str, gain: float) -> None:
    begin, end = (round(edge * SAMPLE_RATE) for edge in WORDS[word])
    assert tonal_share(BECKETT[begin:end] * np.float32(gain)) < TONAL


@pytest.mark.parametrize(
    ("looks", "speech"),
    [((1.0, 1.0), True), ((1.0, 0.3), False), ((0.75, 0.75), True), ((0.0, 0.0), False)],
)
def test_a_tonal_sound_is_speech_if_the_vad_stays_sure_of_it(
    looks: tuple[float, float], speech: bool
) -> None:
    vad = Certain(*looks)
    assert SpeechGuard(vad).is_speech(TONES["a bell"]) is speech
    assert vad.peaks == pytest.approx([0.9, 0.3], rel=0.05)


def test_what_is_not_tonal_costs_no_second_look() -> None:
    vad = Certain(0.0, 0.0)
    assert SpeechGuard(vad).is_speech(OTHERS["noise"])
    assert vad.peaks == []


@pytest.mark.parametrize("name", TONES)
@pytest.mark.parametrize("gain", [0.02, 1.0, 5.0])
def test_the_real_vad_takes_no_tone_for_speech_in_a_second_look(name: str, gain: float) -> None:
    assert not SpeechGuard(SileroVad()).is_speech(TONES[name] * np.float32(gain))


def test_a_tonal_sound_shorter_than_a_window_is_no_speech() -> None:
    assert not SpeechGuard(Certain(1.0, 1.0)).is_speech(TONES["a ring tone"][:300])
