"""Which GPU an ASR process uses, what is refused, and what CUDA is shown of the host."""

import ctranslate2
import pytest
import torch

from engines.catalog import ModelSpec
from engines.devices import choose_device, parse_devices, use_device, visible_gpus
from engines.parakeet.engine import Parakeet
from engines.whisper.engine import Whisper
from runtime.errors import StartupError
from tests.engines.digits import DIGITS

MOONSHINE = ModelSpec("fast", "moonshine", "tiny-en")
WHISPER = ModelSpec("accurate", "whisper", "tiny.en")


@pytest.mark.parametrize(
    ("index", "wanted", "gpus", "device"),
    [
        (0, (), ("0", "1"), "0"),
        (1, (), ("0", "1"), "1"),
        (1, (), ("3", "GPU-5f"), "GPU-5f"),
        (1, (), (), "cpu"),
        (1, ("1", "0"), ("0", "1"), "0"),
        (1, ("1",), ("0", "1"), "1"),
        (2, ("cpu",), ("0",), "cpu"),
        (0, ("GPU-5f",), ("0", "1"), "GPU-5f"),
    ],
)
def test_a_process_has_its_own_device(
    index: int, wanted: tuple[str, ...], gpus: tuple[str, ...], device: str
) -> None:
    assert choose_device(index, wanted, gpus) == device


@pytest.mark.parametrize(
    ("index", "wanted", "gpus", "why"),
    [
        (1, (), ("0",), "process 2 is to use GPU 1, and there are 1 GPUs: set DALSTON_DEVICES"),
        (0, ("2",), ("0", "1"), "process 1 is to use GPU 2"),
        (0, ("0",), (), "there are 0 GPUs"),
        (2, ("0", "1"), ("0", "1"), "has 2 devices, and this is ASR process 3"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    index: int, wanted: tuple[str, ...], gpus: tuple[str, ...], why: str
) -> None:
    with pytest.raises(StartupError, match=why):
        choose_device(index, wanted, gpus)


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [(None, ["0", "1"]), ("1", ["1"]), ("GPU-5f, 0", ["GPU-5f", "0"]), ("", []), ("0,-1,1", ["0"])],
)
def test_the_gpus_are_those_that_cuda_is_shown(visible: str | None, gpus: list[str]) -> None:
    environ = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert visible_gpus(environ, installed=2) == gpus


def test_devices_are_numbers_uuids_or_the_cpu() -> None:
    assert parse_devices("0, GPU-5f-11,cpu") == ("0", "GPU-5f-11", "cpu")
    for wrong in ("", "0,", "gpu0", "-1"):
        with pytest.raises(ValueError, match="is not a GPU's number"):
            parse_devices(wrong)


def test_cuda_is_shown_one_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.devices.has_gpu", lambda: True)
    environ: dict[str, str] = {}
    assert use_device(1, (), [MOONSHINE, WHISPER], environ, installed=2) == "cuda"
    assert environ == {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_a_process_without_a_use_for_a_gpu_is_shown_none() -> None:
    for index, wanted, models in [(5, (), [MOONSHINE]), (0, ("cpu",), [WHISPER])]:
        environ: dict[str, str] = {}
        assert use_device(index, wanted, models, environ, installed=2) == "cpu"
        assert environ == {"CUDA_VISIBLE_DEVICES": ""}
    assert use_device(0, (), [WHISPER], environ := {}, installed=0) == "cpu"
    assert environ == {}


def test_a_gpu_that_cuda_does_not_find_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.devices.has_gpu", lambda: False)
    with pytest.raises(StartupError, match="GPU 0, which CUDA does not find"):
        use_device(0, (), [WHISPER], {}, installed=1)


def test_a_library_without_cuda_is_not_replaced_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(StartupError, match=r"torch .* can't use it: .*DALSTON_DEVICES=cpu"):
        Parakeet(str(DIGITS), device="cuda")
    with pytest.raises(StartupError, match=r"CTranslate2 .* can't use it: .*DALSTON_DEVICES=cpu"):
        Whisper("tiny.en", device="cuda")
