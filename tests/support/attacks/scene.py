"""Sets a scene for attacks: a gateway, a worker that knows each word, and eight honest clients."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import Final, NamedTuple

import psutil

from broker.store.keys import PLAIN
from tests.support.attacks.hostile_clients import SLOTS
from tests.support.gateway_process import GatewayProcess, gateway_process
from tests.support.managed_process import ManagedProcess, clean_environment
from tests.support.redis_fixture import RedisServer, redis_server

HONEST: Final = 8  # Clients, as many as the attacks are measured beside.
MB: Final = 1e6
DRAIN_S: Final = 60.0  # Seconds for the last words of the honest clients.


class Waits(NamedTuple):
    """Milliseconds from the wish for a final to it: the median, and what one in twenty exceeds."""

    p50: float
    p95: float


class Words(NamedTuple):
    """What the honest clients said, what of it was lost, and how clients failed."""

    said: int
    lost: int
    failures: str


class AttackScene:
    """What is attacked, and who is there beside the attackers."""

    def __init__(self, gateway: GatewayProcess, redis: RedisServer, honest: ManagedProcess) -> None:
        self.gateway, self._redis, self._honest = gateway, redis, honest

    def memory(self) -> float:
        """Megabytes that the gateway has."""
        return float(psutil.Process(self.gateway.process.pid).memory_info().rss) / MB

    def lines(self) -> int:
        """Lines that the gateway has logged."""
        return len(self.gateway.process.lines)

    def tracebacks(self) -> list[str]:
        """Lines of its log that begin one."""
        return [line for line in self.gateway.process.lines if "Traceback" in line]

    def slots(self) -> int:
        """Slots that are taken by others than the honest clients."""
        with self._redis.client() as look:
            return int(look.scard(PLAIN.active)) - HONEST

    def records(self) -> int:
        """Records of sessions in Redis."""
        with self._redis.client() as look:
            return sum(1 for _ in look.scan_iter(PLAIN.session("*"), count=1_000))

    def waits(self, since: float, until: float) -> Waits:
        """How long the honest clients waited for their finals in these seconds of the monotonic clock."""
        finals = [line.split() for line in self._honest.lines if line.startswith("final ")]
        found = [float(ms) for _, at, ms in finals if since <= float(at) <= until]
        cuts = quantiles(found, n=20)
        return Waits(cuts[9], cuts[18])

    def end_honest(self) -> Words:
        """Have the honest clients end; what became of their words."""
        self._honest.send(signal.SIGTERM)
        line = self._honest.line("^words ", deadline_s=DRAIN_S)
        _, said, lost, failures = line.split(maxsplit=3)
        return Words(int(said), int(lost), failures)


@contextmanager
def scene() -> Iterator[AttackScene]:
    """All of it for the duration of a block; the honest clients speak already."""
    words, honest = "tests.support.attacks.word_worker", "tests.support.attacks.honest_clients"
    env = clean_environment()
    settings = {"resume_window": "30", "auth": "off"}
    with redis_server() as redis, gateway_process(redis.url, **settings) as gateway:
        worker = ManagedProcess(
            sys.executable, "-m", words, str(HONEST + SLOTS), env=clean_environment(redis_url=redis.url)
        )
        with worker:
            gateway.process.line("^ready")
            url = f"ws://{gateway.host}:{gateway.port}"
            with ManagedProcess(sys.executable, "-m", honest, url, str(HONEST), env=env) as speaking:
                speaking.line("^final ")
                time.sleep(2.0)  # All of them speak.
                yield AttackScene(gateway, redis, speaking)
