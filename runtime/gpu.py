"""Asks a GPU's driver how much of the device and its memory is in use; knows nothing on a host without."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Bytes of one device."""

    used: int
    total: int


class Gpu:
    """The device of this process: the first that it may see. Does nothing where there is no driver."""

    def __init__(self) -> None:
        self._handle: Any = None
        try:
            pynvml.nvmlInit()
            self._handle = _first_visible(os.environ.get("CUDA_VISIBLE_DEVICES"))
        except pynvml.NVMLError:
            return

    def memory(self) -> GpuMemory | None:
        """What is in use now; None without a GPU."""
        if self._handle is None:
            return None
        info = pynvml.nvmlDeviceGetMemoryInfo(self._handle)
        return GpuMemory(int(info.used), int(info.total))

    def uuid(self) -> str:
        """Its name, which no other device has; empty without a GPU."""
        return "" if self._handle is None else str(pynvml.nvmlDeviceGetUUID(self._handle))

    def busy(self) -> float | None:
        """In how much of the last moment something ran on it, in percent; None where nobody says."""
        if self._handle is None:
            return None
        try:
            return float(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        except pynvml.NVMLError:
            return None


def count_gpus() -> int:
    """The GPUs of this host, whether a process may see them or not."""
    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:  # A container may have the devices without this library.
        return len([node for node in Path("/dev").glob("nvidia*") if node.name[6:].isdecimal()])


def _first_visible(visible: str | None) -> Any:
    """The handle of the first device that CUDA_VISIBLE_DEVICES names; None where it hides all."""
    first = "0" if visible is None else visible.split(",", maxsplit=1)[0].strip()
    if first in ("", "-1"):
        return None
    if not first.isdigit():
        return pynvml.nvmlDeviceGetHandleByUUID(first)
    return pynvml.nvmlDeviceGetHandleByIndex(int(first))


def gigabytes(size: int) -> str:
    """Bytes as the registry writes them, such as `4.2GB`."""
    return f"{size / 1e9:.1f}".removesuffix(".0") + "GB"
