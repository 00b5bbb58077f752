"""The faults: which process and which signal; and how they are played, at random moments."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.formation import Cluster
from tests.chaos.wire import Wire

WHOLE_S: Final = 40.0  # for what was killed to be back: the next fault finds a server that is whole


@dataclass(frozen=True, slots=True)
class Played:
    """What was played, and when (monotonic seconds)."""

    kind: str
    where: str
    at: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One process of a part and a signal; no process: a client's connection is cut."""

    part: str
    process: str = ""
    number: int = signal.SIGKILL


CUT: Final = Fault("wire")
FAULTS: Final = (
    CUT,
    Fault("worker", "asr"),
    Fault("gateway", "gateway"),
    CUT,
    Fault("worker", "receiver"),
    Fault("gateway", "gateway", signal.SIGTERM),
    Fault("worker", "vad"),
    CUT,
    Fault("worker", "assembler"),
    Fault("broker", "broker"),
    Fault("worker", "sender"),
    Fault("worker", "receiver", signal.SIGTERM),
)


async def play(
    faults: int, cluster: Cluster, wire: Wire, random: Random, running: Callable[[], bool]
) -> list[Played]:
    """Play so many faults while the clients speak; what was played."""
    played: list[Played] = []
    while len(played) < faults and running():
        fault = FAULTS[len(played) % len(FAULTS)]
        await asyncio.sleep(random.uniform(0.5, 2.0))
        at = time.monotonic()
        where = await asyncio.to_thread(_strike, fault, cluster, wire, random)
        if where:
            played.append(Played(f"{fault.part} {fault.number:d}" if fault.process else "cut", where, at))
        await asyncio.to_thread(cluster.wait_whole, WHOLE_S)
    return played


def _strike(fault: Fault, cluster: Cluster, wire: Wire, random: Random) -> str:
    """Where it hit; nothing if there was nobody."""
    if fault is CUT:
        return "wire" if wire.cut() else ""
    parts = {"worker": cluster.workers, "gateway": cluster.gateways, "broker": [cluster.broker]}
    part = random.choice(parts[fault.part])
    starts = part.starts
    if not part.signal(fault.process, fault.number):
        return ""
    cluster.wait_back(part, starts, WHOLE_S)
    return part.name
