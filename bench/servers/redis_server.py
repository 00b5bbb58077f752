"""Starts the embedded Redis by itself, for measurements of the session router."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import redis

from broker.store.embedded import server_binary, server_command
from runtime.local_server import START_S, LocalServerError

MEMORY: Final = "2gb"  # Of Redis: what it keeps of the calls counts, too.


@contextmanager
def run_redis(folder: Path, log: IO[bytes], *arguments: str) -> Iterator["redis.Redis"]:
    """A Redis on `redis.sock` in a folder, and a client of it, for the duration of a block.

    Raises:
        LocalServerError: it does not start.
    """
    command = [str(server_binary()), *server_command(folder / "redis.sock", folder, MEMORY)]
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=log,
        stderr=log,
    )
    client = redis.Redis(unix_socket_path=f"{folder}/redis.sock")
    until = time.monotonic() + START_S
    try:
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise LocalServerError("Redis does not start") from None
                time.sleep(0.05)
        yield client
    finally:
        client.close()
        process.kill()
        process.wait()
