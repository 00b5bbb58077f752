"""Plays the faults of a table at random moments."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from tests.support.chaos.formation import Cluster, Part
from tests.support.chaos.wire import Wire

WHOLE_S: Final = 60.0  # for what was killed to be back: the next fault finds a server that is whole
HELD_S: Final = (0.1, 2.0)  # how long a wire carries nothing


@dataclass(frozen=True, slots=True)
class Played:
    """What was played, and when (monotonic seconds); for how long, where that is known."""

    kind: str
    where: str
    at: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultTargets:
    """What there is to break."""

    cluster: Cluster
    wire: Wire
    random: Random


Strike: TypeAlias = Callable[[FaultTargets], Awaitable[tuple[str, float]]]
"""Plays one fault: where it hit (nothing if there was nobody) and for how long."""


def killed(part: str, process: str, number: int = signal.SIGKILL) -> Strike:
    """A process gets a signal that ends it, and with it its part, which then starts again."""

    async def strike(targets: FaultTargets) -> tuple[str, float]:
        victim = _pick(targets, part)
        starts = victim.starts
        if not victim.signal(process, number):
            return "", 0.0
        await asyncio.to_thread(targets.cluster.wait_back, victim, starts, WHOLE_S)
        return victim.name, 0.0

    return strike


def stopped(process: str) -> Strike:
    """A process of a worker hangs until the worker is missed, and then goes on as if nothing had been."""

    async def strike(targets: FaultTargets) -> tuple[str, float]:
        victim, begun = _pick(targets, "worker"), time.monotonic()
        if not victim.signal(process, signal.SIGSTOP):
            return "", 0.0
        try:
            await asyncio.to_thread(targets.cluster.wait_missed, WHOLE_S)
        finally:
            victim.signal(process, signal.SIGCONT)
        return victim.name, time.monotonic() - begun

    return strike


async def cut(targets: FaultTargets) -> tuple[str, float]:
    """A client's connection breaks."""
    return ("wire" if targets.wire.cut() else ""), 0.0


async def held(targets: FaultTargets) -> tuple[str, float]:
    """A client's connection carries nothing for a while."""
    seconds = targets.random.uniform(*HELD_S)
    return ("wire" if await targets.wire.hold(seconds) else ""), seconds


async def emptied(targets: FaultTargets) -> tuple[str, float]:
    """Redis is killed, and starts again with nothing in it."""
    await asyncio.to_thread(targets.cluster.redis.empty)
    return "redis", 0.0


def _pick(targets: FaultTargets, kind: str) -> Part:
    cluster = targets.cluster
    parts = {"worker": cluster.workers, "gateway": cluster.gateways, "broker": [cluster.broker]}
    return targets.random.choice(parts[kind])


FAULTS: Final[tuple[tuple[str, Strike], ...]] = (
    ("cut", cut),
    ("asr killed", killed("worker", "asr")),
    ("held", held),
    ("gateway killed", killed("gateway", "gateway")),
    ("receiver stopped", stopped("receiver")),
    ("redis emptied", emptied),
    ("receiver killed", killed("worker", "receiver")),
    ("cut", cut),
    ("gateway ended", killed("gateway", "gateway", signal.SIGTERM)),
    ("vad killed", killed("worker", "vad")),
    ("held", held),
    ("asr stopped", stopped("asr")),
    ("assembler killed", killed("worker", "assembler")),
    ("broker killed", killed("broker", "broker")),
    ("sender killed", killed("worker", "sender")),
    ("receiver ended", killed("worker", "receiver", signal.SIGTERM)),
)


async def play(
    faults: int, cluster: Cluster, wire: Wire, random: Random, running: Callable[[], bool], first: int = 0
) -> list[Played]:
    """Play so many faults of the table from `first` on while the clients speak; what was played."""
    played: list[Played] = []
    targets, number = FaultTargets(cluster, wire, random), first
    while len(played) < faults and running():
        kind, strike = FAULTS[number % len(FAULTS)]
        await asyncio.sleep(random.uniform(0.5, 2.0))
        at = time.monotonic()
        where, seconds = await strike(targets)
        if where:
            played.append(Played(kind, where, at, seconds))
            number += 1
        await asyncio.to_thread(cluster.wait_whole, WHOLE_S)
    return played
