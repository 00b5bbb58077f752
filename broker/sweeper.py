"""Heartbeats and leases that stopped in, workers marked offline and freed sessions out."""

import asyncio

import structlog

from broker.errors import RegistryUnavailable
from broker.router import SessionRouter
from runtime.process import Stop

log = structlog.stdlib.get_logger(__name__)


async def watch(router: SessionRouter, interval: float, stop: Stop) -> None:
    """Look for lost workers and gateways every `interval` seconds until the signal; Redis may come and go."""
    clock = asyncio.get_running_loop().time
    next_look = clock()
    while not stop.requested:
        if clock() >= next_look:
            await look(router)
            next_look = clock() + interval
        await asyncio.sleep(min(0.05, interval))


async def look(router: SessionRouter) -> None:
    """Mark workers offline and free sessions once, and say which."""
    try:
        swept = await router.sweep()
    except RegistryUnavailable as error:
        log.debug("%s", error)
        return
    for worker in swept.lost:
        log.warning("offline worker=%s sessions_freed=%d", worker.worker_id, len(worker.sessions))
    if swept.expired:
        log.warning("sessions of a gateway that is gone: %d freed", len(swept.expired))
