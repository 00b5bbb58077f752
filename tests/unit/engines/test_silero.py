"""The real VAD: recordings have speech, silence and noise have none."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.silero import WHEEL, WINDOW, SileroVad, VadState
from runtime.errors import StartupError
from runtime.wheels import folder_of
from tests.support.recordings import recording

Floats = npt.NDArray[np.float32]


@cache
def loaded() -> SileroVad:
    return SileroVad()


@pytest.fixture(name="vad")
def _vad() -> SileroVad:
    return loaded()


def probabilities(vad: SileroVad, *sounds: Floats, at_once: int = 1) -> Floats:
    """[windows, sounds] of sounds of one length, in batches of so many windows of each."""
    states = [VadState() for _ in sounds]
    length, step = min(map(len, sounds)) // WINDOW * WINDOW, at_once * WINDOW
    parts = [vad([s[at : min(at + step, length)] for s in sounds], states) for at in range(0, length, step)]
    return np.concatenate([np.stack(part, axis=1) for part in parts])


def by_onnx_runtime(sound: Floats) -> Floats:
    """What the wheel's own model makes of a sound."""
    import onnxruntime

    path = folder_of("silero_vad", WHEEL) / "data" / "silero_vad.onnx"
    model = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    state, before, found = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for window in sound[: len(sound) // WINDOW * WINDOW].reshape(-1, WINDOW):
        whole = np.concatenate([before, window])[None]
        probability, state = model.run(None, {"input": whole, "state": state, "sr": np.array(16_000)})
        before = window[-64:]
        found.append(probability[0, 0])
    return np.array(found, np.float32)


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_it_is_the_model_of_the_wheel(vad: SileroVad, at_once: int) -> None:
    sound = recording("two_cities.wav")[: 6 * 16_000]
    found = probabilities(vad, sound, at_once=at_once)[:, 0]
    assert np.allclose(found, by_onnx_runtime(sound), atol=1e-4)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_windows_may_come_in_any_number_of_any_session(counts: list[int]) -> None:
    vad, rng = loaded(), np.random.default_rng(sum(counts))
    sounds = [rng.normal(0, 0.1, count * WINDOW).astype(np.float32) for count in counts]
    together = vad(sounds, [VadState() for _ in sounds])
    for sound, found in zip(sounds, together, strict=True):
        assert np.allclose(found, probabilities(vad, sound)[:, 0], atol=1e-4)


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
    with pytest.raises(StartupError, match=r"silero\.onnx; pip install silero-vad==") as missing:
        SileroVad(tmp_path / "silero.onnx")
    assert str(tmp_path) in str(missing.value)


@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_weights_that_are_none_are_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "silero.onnx"
    path.write_bytes(content)
    with pytest.raises(StartupError, match="has not the VAD's weights"):
        SileroVad(path)


def test_a_missing_wheel_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.wheels.find_spec", lambda _: None)
    with pytest.raises(StartupError, match="silero-vad is not installed; pip install"):
        SileroVad()
