"""Runs `python -m broker`, which watches the workers' heartbeats. Any number of these may run."""

import asyncio

from broker.router import SessionRouter
from broker.settings import WatchSettings
from broker.sweeper import run_sweeper
from runtime.logs import configure_logging, get_logger
from runtime.process import Stop, run_main
from runtime.settings import read_settings

log = get_logger(__name__)


def main() -> None:
    """Run until the signal."""
    stop = Stop()
    settings = read_settings(WatchSettings)
    configure_logging("broker", settings.log_level, settings.log_format)
    asyncio.run(_run(settings, stop))


async def _run(settings: WatchSettings, stop: Stop) -> None:
    router = SessionRouter.connect(settings)
    log.info("watching heartbeats, timeout %g s", settings.heartbeat_timeout)
    try:
        await run_sweeper(router, settings.watch_interval, stop)
    finally:
        await router.close()


if __name__ == "__main__":
    run_main("broker", main)
