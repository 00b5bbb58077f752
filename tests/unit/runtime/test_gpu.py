"""A GPU's memory, with a driver that answers as NVML does, and on a host without one."""

from types import SimpleNamespace

import pynvml
import pytest

from runtime.gpu import Gpu, GpuMemory, gigabytes


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Two devices of 24 GB; what was asked for is in the list."""
    asked: list[object] = []

    def handle(which: object) -> object:
        asked.append(which)
        return which

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", handle)
    info = SimpleNamespace(used=4_200_000_000, total=24_000_000_000)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _handle: info)
    rates = SimpleNamespace(gpu=37, memory=5)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", lambda _handle: rates)
    return asked


@pytest.mark.parametrize(("visible", "asked"), [("0", 0), ("1", 1), ("1,0", 1), ("GPU-5f", "GPU-5f")])
def test_the_first_visible_device_is_asked(
    driver: list[object], monkeypatch: pytest.MonkeyPatch, visible: str, asked: object
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu().memory() == GpuMemory(4_200_000_000, 24_000_000_000)
    assert driver == [asked]


def test_without_a_choice_it_is_the_first_and_where_all_are_hidden_none(
    driver: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Gpu().memory()
    assert driver == [0]
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert Gpu().memory() is None


@pytest.mark.usefixtures("driver")
def test_a_device_says_how_busy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def part_of_a_device(_handle: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    gpu = Gpu()
    assert gpu.busy() == 37.0
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", part_of_a_device)
    assert gpu.busy() is None


def test_a_host_without_a_driver_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert (Gpu().memory(), Gpu().busy()) == (None, None)


@pytest.mark.parametrize(("size", "text"), [(4_200_000_000, "4.2GB"), (24_000_000_000, "24GB"), (0, "0GB")])
def test_sizes_are_written_as_the_registry_has_them(size: int, text: str) -> None:
    assert gigabytes(size) == text
