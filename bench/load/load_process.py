"""Starts a process of the load on the session router, and tells it what to do."""

import subprocess
import sys
from dataclasses import asdict
from typing import IO

import orjson

from bench.load.router_load import Fleet
from runtime.local_server import ROOT, LocalServerError, environment


class LoadProcess:
    """One process of the load, which is told what to do."""

    def __init__(self, url: str, fleet: Fleet, log: IO[bytes]) -> None:
        part = orjson.dumps(asdict(fleet)).decode()
        command = [sys.executable, "-m", "bench.load.router_load", url, part]
        self.process = subprocess.Popen(
            command, env=environment(ROOT, {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )

    def tell(self, **asked: float) -> None:
        """Have it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(asked) + b"\n")
        self.process.stdin.flush()

    def line(self) -> str:
        """What it answers.

        Raises:
            LocalServerError: it has ended.
        """
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise LocalServerError("a process of the load has ended")
        return line.decode().strip()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
