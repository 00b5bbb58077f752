"""The real VAD: recordings have speech, silence and noise have none."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stages.endpointer import WINDOW
from stages.errors import StartupError
from stages.silero import SileroVad, VadState
from tests.recordings import recording

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad()


def probabilities(vad: SileroVad, *sounds: Floats) -> npt.NDArray[np.float32]:
    """[windows, sounds] of sounds of one length, in batches."""
    states = [VadState() for _ in sounds]
    count = min(map(len, sounds)) // WINDOW
    return np.stack([vad([s[k * WINDOW : (k + 1) * WINDOW] for s in sounds], states) for k in range(count)])


@pytest.mark.parametrize("name", ["beckett.wav", "two_cities.wav"])
def test_speech_is_found_in_recordings(vad: SileroVad, name: str) -> None:
    found = probabilities(vad, recording(name)[: 10 * 16_000]) >= 0.5
    assert 0.3 < found.mean() < 1


@pytest.mark.parametrize("level", [0.0, 0.001, 0.01, 0.1])
def test_silence_and_white_noise_have_no_speech(vad: SileroVad, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, 1, 10 * 16_000).astype(np.float32) * np.float32(level)
    assert probabilities(vad, noise).max() < 0.5


def test_sessions_in_a_batch_do_not_mix(vad: SileroVad) -> None:
    speech, silence = recording("beckett.wav")[: 3 * 16_000], np.zeros(3 * 16_000, np.float32)
    together = probabilities(vad, speech, silence, speech)
    alone = probabilities(vad, speech)
    assert np.allclose(together[:, 0], alone[:, 0], atol=1e-4)
    assert np.allclose(together[:, 2], alone[:, 0], atol=1e-4)
    assert together[:, 1].max() < 0.5


def test_missing_weights_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"silero_vad\.onnx; pip install silero-vad==") as missing:
        SileroVad(tmp_path / "silero_vad.onnx")
    assert str(tmp_path) in str(missing.value)


def test_a_missing_wheel_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.wheels.find_spec", lambda _: None)
    with pytest.raises(StartupError, match="silero-vad is not installed; pip install"):
        SileroVad()
