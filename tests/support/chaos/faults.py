"""Plays faults at random moments, one or two at a time."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeAlias

from tests.support.chaos.hosts import REDIS, Cluster, ServedHost
from tests.support.chaos.wire import Wire

WHOLE_S: Final = 60.0  # Seconds for what was killed to be back: the next fault finds a server that is whole.
NOTICED_S: Final = 15.0  # Seconds within which a pass comes, fails, and its process is started again.
BUSIEST: Final = 0.75  # Of the faults of workers, those that hit the one with the most sessions.
STAGES: Final = ("receiver", "vad", "asr", "assembler", "sender")
PAUSE_S: Final = (0.5, 2.0)  # Seconds until the next fault.
APART_S: Final = (0.0, 1.0)  # Seconds between two faults that overlap.
PAIRS: Final = 0.3  # Of the times at which something is broken, those at which two things are.
HELD_S: Final = (0.1, 2.0)  # Seconds for which a wire carries nothing.
STOPPED_S: Final = (3.0, 6.0)  # Seconds for which a process of a worker hangs: longer than it is waited for.
MOMENT_S: Final = (0.3, 1.2)  # Seconds for which a gateway hangs: no client leaves it for that.


@dataclass(frozen=True, slots=True)
class Played:
    """What was played, and from when to when (monotonic seconds) it was so."""

    kind: str
    where: str
    at: float
    until: float


@dataclass(slots=True)
class Burst:
    """Faults that overlap, mostly one alone."""

    faults: list[Played] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """How it is counted."""
        return self.faults[0].kind if len(self.faults) == 1 else "two at once"

    @property
    def at(self) -> float:
        """When the first of them began."""
        return min(fault.at for fault in self.faults)

    @property
    def until(self) -> float:
        """When the last of them was over."""
        return max(fault.until for fault in self.faults)


@dataclass(frozen=True, slots=True)
class FaultTargets:
    """What there is to break, and for how many seconds Redis is away."""

    cluster: Cluster
    wire: Wire
    random: Random
    redis_away: float


Strike: TypeAlias = Callable[[FaultTargets], Awaitable[tuple[str, float]]]
"""Plays one fault: where it hit (nothing if there was nobody) and for how many seconds it was so."""


def ended(line: str, number: int = signal.SIGKILL) -> Strike:
    """A process gets a signal of which it ends; its supervisor starts it again."""

    async def strike(targets: FaultTargets) -> tuple[str, float]:
        host = await _host_of(targets, line)
        pid = await asyncio.to_thread(host.signal, line, number) if host.may_end(line) else 0
        if pid:
            assert await asyncio.to_thread(host.is_replaced, line, pid, WHOLE_S), host.log[-15:]
        return (host.name if pid else ""), 0.0

    return strike


def broken_pass(number: int) -> Strike:
    """The engine of a worker that has sessions gets a signal of which its next forward pass fails."""

    async def strike(targets: FaultTargets) -> tuple[str, float]:
        host = await asyncio.to_thread(targets.cluster.busiest)
        pid = await asyncio.to_thread(host.signal, "asr", number) if host and host.may_end("asr") else 0
        if host is None or not pid:
            return "", 0.0
        if await asyncio.to_thread(host.is_replaced, "asr", pid, NOTICED_S):
            return host.name, 0.0
        await asyncio.to_thread(host.signal, "asr", signal.SIGKILL)  # Its sessions were gone before.
        return "", 0.0

    return strike


def stopped(line: str, seconds: tuple[float, float] = STOPPED_S) -> Strike:
    """A process hangs, and then goes on as if nothing had been."""

    async def strike(targets: FaultTargets) -> tuple[str, float]:
        host = await _host_of(targets, line)
        return await _stop(host, line, targets.random.uniform(*seconds))

    return strike


async def redis_away(targets: FaultTargets) -> tuple[str, float]:
    """Redis answers nothing for long."""
    return await _stop(targets.cluster.hosts[0], REDIS, targets.redis_away)


async def _stop(host: ServedHost, line: str, seconds: float) -> tuple[str, float]:
    if not await asyncio.to_thread(host.signal, line, signal.SIGSTOP):
        return "", 0.0
    try:
        await asyncio.sleep(seconds)
    finally:
        host.signal(line, signal.SIGCONT)
    return host.name, seconds


async def cut(targets: FaultTargets) -> tuple[str, float]:
    """A client's connection breaks."""
    return ("wire" if targets.wire.cut() else ""), 0.0


async def held(targets: FaultTargets) -> tuple[str, float]:
    """A client's connection carries nothing for a while."""
    seconds = targets.random.uniform(*HELD_S)
    return ("wire" if await targets.wire.hold(seconds) else ""), seconds


async def crashed(targets: FaultTargets) -> tuple[str, float]:
    """A host without the Redis loses its power, and starts again."""
    if len(targets.cluster.hosts) == 1:
        return "", 0.0
    host = targets.random.choice(targets.cluster.hosts[1:])
    await asyncio.to_thread(host.crash)
    return host.name, 0.0


async def _host_of(targets: FaultTargets, line: str) -> ServedHost:
    """The host on which to break a process: mostly one whose worker has sessions."""
    hosts, random = targets.cluster.hosts, targets.random
    if line == REDIS:
        return hosts[0]
    chosen, is_busiest = random.choice(hosts), line in STAGES and random.random() < BUSIEST
    found = await asyncio.to_thread(targets.cluster.busiest) if is_busiest else None
    return found or chosen


FAULTS: Final[dict[str, Strike]] = {
    "cut": cut,
    "held": held,
    "gateway killed": ended("gateway"),
    "gateway ended": ended("gateway", signal.SIGTERM),
    "gateway stopped": stopped("gateway", MOMENT_S),
    "receiver killed": ended("receiver"),
    "receiver ended": ended("receiver", signal.SIGTERM),
    "receiver stopped": stopped("receiver"),
    "vad killed": ended("vad"),
    "vad stopped": stopped("vad"),
    "asr killed": ended("asr"),
    "asr stopped": stopped("asr"),
    "pass hangs": broken_pass(signal.SIGUSR1),
    "passes fail": broken_pass(signal.SIGUSR2),
    "assembler killed": ended("assembler"),
    "assembler stopped": stopped("assembler"),
    "sender killed": ended("sender"),
    "sender stopped": stopped("sender"),
    "broker killed": ended("broker"),
    "redis killed": ended(REDIS),
    "redis away": redis_away,
    "host crashed": crashed,
}
ALONE: Final = ("redis away",)  # Nothing that is lost can move to another worker meanwhile.
BREAKS_WORKER: Final = ("receiver", "vad", "asr", "pass", "assembler", "sender", "host")
"""The first words of the kinds behind which a session's worker is another one: their pauses are judged."""


def bursts(random: Random) -> Iterator[list[str]]:
    """Kinds to play, one or two at a time: all of them in some order, then all in another one."""
    while True:
        kinds = random.sample(list(FAULTS), len(FAULTS))
        while kinds:
            first = kinds.pop()
            pairs = first not in ALONE and kinds and kinds[-1] not in ALONE and random.random() < PAIRS
            yield [first, kinds.pop()] if pairs else [first]


async def play(faults: int, targets: FaultTargets, running: Callable[[], bool]) -> list[Burst]:
    """Break at least so many things while the clients speak; what was played."""
    played: list[Burst] = []
    coming, random = bursts(targets.random), targets.random
    while sum(len(burst.faults) for burst in played) < faults and running():
        await asyncio.sleep(random.uniform(*PAUSE_S))
        kinds = next(coming)
        waits = [0.0, random.uniform(*APART_S)]
        found = await asyncio.gather(*(_strike(k, w, targets) for k, w in zip(kinds, waits, strict=False)))
        if hits := [each for each in found if each is not None]:
            played.append(Burst(hits))
        await asyncio.to_thread(targets.cluster.wait_whole, WHOLE_S)
    return played


async def _strike(kind: str, wait: float, targets: FaultTargets) -> Played | None:
    await asyncio.sleep(wait)
    at = time.monotonic()
    where, seconds = await FAULTS[kind](targets)
    return Played(kind, where, at, at + seconds) if where else None
