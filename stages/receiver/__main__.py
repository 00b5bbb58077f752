"""Runs `python -m stages.receiver`: the receiver of one worker."""

import logging

import uvloop

from runtime.logs import configure_logging
from runtime.private_files import make_private_dir
from runtime.process import Stop, lock, run_main
from runtime.repeated_lines import count_repeats
from runtime.settings import read_settings
from stages.receiver.server import serve_worker
from stages.receiver.settings import ReceiverSettings


def main() -> None:
    """Run the receiver as a process."""
    stop = Stop()
    settings = read_settings(ReceiverSettings)
    stop.extend(settings.drain_timeout)
    configure_logging("receiver", settings.log_level, settings.log_format)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # its lines name no session
    count_repeats("asyncio", "websockets.server")
    held = lock(make_private_dir(settings.sockets) / "receiver.lock")
    uvloop.run(serve_worker(settings, stop))
    held.close()


if __name__ == "__main__":
    run_main("receiver", main)
