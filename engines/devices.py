"""Chooses the GPU of one ASR process, before any library that uses CUDA is loaded."""

import os
import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Final, Literal, TypeAlias

from engines.catalog import KINDS, ModelSpec, has_gpu
from runtime.errors import StartupError
from runtime.gpu import count_gpus
from runtime.logs import get_logger

log = get_logger(__name__)

DeviceKind: TypeAlias = Literal["cuda", "cpu"]

CPU: Final = "cpu"
VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
DEVICE: Final = re.compile(r"cpu|[0-9]+|(GPU|MIG)-[0-9A-Za-z/-]+")


def parse_devices(text: str) -> tuple[str, ...]:
    """The devices in a list in the form of `DALSTON_DEVICES`.

    Raises:
        ValueError: one of them is neither `cpu` nor a number nor a UUID.
    """
    devices = tuple(part.strip() for part in text.split(","))
    for device in devices:
        if not DEVICE.fullmatch(device):
            raise ValueError(
                f"{device!r} is not a GPU's number such as 0, its UUID such as GPU-5f..., or cpu"
            )
    return devices


def visible_gpus(environ: Mapping[str, str], installed: int) -> list[str]:
    """The GPUs that this process may use, as CUDA names them; `installed` are those of the host."""
    visible = environ.get(VISIBLE)
    if visible is None:
        return [str(number) for number in range(installed)]
    named = [name.strip() for name in visible.split(",")]
    unknown = next((at for at, name in enumerate(named) if name in ("", "-1")), len(named))
    return named[:unknown]  # CUDA too reads no further than the first name that is none.


def choose_device(index: int, wanted: Sequence[str], gpus: Sequence[str]) -> str:
    """The device of ASR process `index`, from 0: a name of `gpus`, a UUID, or `cpu`.

    `wanted` has one device for each process, or one for all; where it is empty, process k gets GPU k.

    Raises:
        StartupError: there is no such GPU, or `wanted` has none for this process.
    """
    if not wanted and not gpus:
        return CPU
    if len(wanted) > 1 and index >= len(wanted):
        raise StartupError(
            f"DALSTON_DEVICES has {len(wanted)} devices, and this is ASR process {index + 1}:"
            " name one for each process, or one for all"
        )
    device = str(index) if not wanted else wanted[0 if len(wanted) == 1 else index]
    if not device.isdecimal():
        return device
    if int(device) >= len(gpus):
        raise StartupError(
            f"ASR process {index + 1} is to use GPU {device}, and there are {len(gpus)} GPUs:"
            " set DALSTON_DEVICES, such as 0,0 for two processes on one GPU, or cpu"
        )
    return gpus[int(device)]


def use_device(
    index: int,
    wanted: Sequence[str],
    models: Sequence[ModelSpec],
    environ: MutableMapping[str, str] = os.environ,
    installed: int | None = None,
) -> DeviceKind:
    """Have CUDA show this process its own GPU only; which kind of device its engines are to use.

    Raises:
        StartupError: there is no such GPU.
    """
    gpus = visible_gpus(environ, count_gpus() if installed is None else installed)
    needed = any(KINDS[spec.engine].uses_gpu for spec in models)
    device = choose_device(index, wanted, gpus) if needed else CPU
    log.info("device", device=device)
    if device == CPU:
        if gpus:
            environ[VISIBLE] = ""
        return "cpu"
    environ[VISIBLE] = device
    environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # The order in which the driver's own tools count.
    if not has_gpu():
        raise StartupError(f"ASR process {index + 1} is to use GPU {device}, which CUDA does not find")
    return "cuda"
