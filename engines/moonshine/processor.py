"""Says which products of 8-bit integers this machine's CPU computes exactly."""

import platform
from pathlib import Path
from typing import Final

CPU_INFO: Final = Path("/proc/cpuinfo")
EXACT: Final = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def overflows(info: Path = CPU_INFO, machine: str | None = None) -> bool:
    """Whether the sum of two products of signed with unsigned bytes saturates on this CPU.

    x86 without VNNI adds two of them in 16 bits. There ONNX Runtime has to take unsigned weights (its setting
    `session.x64quantprecision`), which costs 8 % of the encoder's time and gives the numbers of other CPUs.
    Saturated, base's states differ by 20 % from those of floats, and tiny hears words in noise (measured).
    """
    return _is_x86(machine) and not _flags(info) & EXACT


def lacks_avx2(info: Path = CPU_INFO, machine: str | None = None) -> bool:
    """Whether this is an x86 CPU of before 2013, on which a forward pass takes several times as long."""
    flags = _flags(info)
    return _is_x86(machine) and bool(flags) and "avx2" not in flags


def _is_x86(machine: str | None) -> bool:
    return (machine or platform.machine()).lower() in ("x86_64", "amd64", "i386", "i686")


def _flags(info: Path) -> frozenset[str]:
    """What the first CPU can; nothing where the system does not say."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        return frozenset()
    found = (line.partition(":")[2].split() for line in lines if line.startswith("flags"))
    return frozenset(next(found, ()))
