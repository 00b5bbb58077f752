"""Wraps another engine and breaks it in a chosen way, for tests of what a server does then.

`fast=faulty:hang:40:moonshine:tiny-en` is Moonshine whose 41st forward pass never ends. The faults:

- `hang`: the pass after so many never ends.
- `raise`: each pass after so many raises a RuntimeError.
- `memory`: a pass of more than so many jobs finds no memory.
- `load`: the engine takes so many seconds longer to load.
- `poison`: each pass over audio that is somewhere as loud as this (1 to 32768) fails, and loses its streams.
- `signal`: the pass after a SIGUSR1 never ends, each one after a SIGUSR2 raises. The number says nothing.
"""

import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final, cast

import numpy as np

from engines.base import Engine, Floats, OutOfMemory, StreamingEngine, StreamsLost
from runtime.errors import StartupError

FAULTS: Final = ("hang", "raise", "memory", "load", "poison", "signal")


class Faulty:
    """The engine that it wraps, until the fault; clients see that engine."""

    def __init__(self, engine: Engine, fault: str, number: int) -> None:
        self._engine, self._fault, self._number = engine, fault, number
        self._passes = 0
        if fault == "load":
            time.sleep(number)
        if fault == "signal":
            for each in (signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(each, self._break_now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def transcribe(self, jobs: Sequence[Any]) -> list[Any]:
        """One forward pass of the engine that it wraps, or the fault."""
        self._passes += 1
        if self._fault == "memory" and len(jobs) > self._number:
            raise OutOfMemory(f"{len(jobs)} jobs in a pass, and there is room for {self._number}")
        if self._passes > self._number and self._fault == "hang":
            threading.Event().wait()
        if self._passes > self._number and self._fault == "raise":
            raise RuntimeError("the device answers nothing")
        if self._fault == "poison" and any(_loudest(job.audio) >= self._number for job in jobs):
            self._fail_half_way(jobs)
        return list(self._engine.transcribe(jobs))

    def _fail_half_way(self, jobs: Sequence[Any]) -> None:
        if not self._engine.info.features["streaming"]:
            raise RuntimeError("a kernel failed on this audio")
        for job in jobs:
            cast(StreamingEngine, self._engine).drop(job.stream)
        raise StreamsLost("a kernel failed half-way")

    def _break_now(self, number: int, _frame: FrameType | None) -> None:
        self._fault, self._number = "hang" if number == signal.SIGUSR1 else "raise", 0


def _loudest(audio: Floats) -> int:
    return round(float(np.abs(audio).max(initial=0.0)) * 32768)


def parse_faulty(checkpoint: str) -> tuple[str, int, str, str]:
    """The fault, its number, the engine that is wrapped, and its checkpoint.

    Raises:
        StartupError: it has another form.
    """
    fault, _, rest = checkpoint.partition(":")
    number, _, rest = rest.partition(":")
    engine, _, inner = rest.partition(":")
    if fault not in FAULTS or not number.isdecimal() or not inner:
        raise StartupError(f"faulty:{checkpoint} is not faulty:FAULT:NUMBER:ENGINE:CHECKPOINT, with {FAULTS}")
    return fault, int(number), engine, inner
