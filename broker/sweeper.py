"""Marks workers offline whose heartbeats stopped, and frees sessions whose leases ran out."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from broker.errors import RegistryUnavailable
from broker.router import SessionRouter
from runtime.logs import get_logger
from runtime.process import Stop

log = get_logger(__name__)

POLL_S: Final = 0.05  # Seconds between two looks at the stop signal, which sets a flag and wakes nobody.


async def run_sweeper(
    router: SessionRouter,
    interval: float,
    stop: Stop,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Sweep every `interval` seconds until the signal; Redis may come and go."""
    next_sweep = clock()
    while not stop.requested:
        if clock() >= next_sweep:
            await sweep_once(router)
            next_sweep = clock() + interval
        await sleep(min(POLL_S, interval))


async def sweep_once(router: SessionRouter) -> None:
    """Mark workers offline and free sessions once, and log which."""
    try:
        swept = await router.sweep()
    except RegistryUnavailable as error:
        log.debug("no sweep", why=str(error))
        return
    for worker in swept.lost:
        log.warning("a worker is offline", worker=worker.worker_id, sessions_freed=len(worker.sessions))
    if swept.expired:
        log.warning("a gateway is gone", sessions_freed=len(swept.expired))
