"""Holds a name for the life of a process, also where a cleaner of /tmp removes the lock's file."""

import fcntl
import hashlib
import os
import socket
from contextlib import ExitStack
from pathlib import Path

from runtime.private_files import open_own_file


class ProcessLock:
    """Held until `close`, or until the process ends.

    - The file has the process id, and keeps out processes of another network namespace.
    - An abstract socket, which is no file, keeps out those of this one even where the file is gone.
    - A shared lock on the folder has systemd-tmpfiles leave the folder alone, with the sockets in it.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            BlockingIOError: another process has it.
            OSError: it is no file of ours.
        """
        with ExitStack() as held:
            file = held.enter_context(os.fdopen(open_own_file(path), "r+"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.enter_context(socket.socket(socket.AF_UNIX)).bind(_socket_name(path))
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            held.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_SH)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._held = held.pop_all()

    def close(self) -> None:
        """Give the name up."""
        self._held.close()


def _socket_name(path: Path) -> bytes:
    """A name in the abstract namespace, which has 107 bytes, for this user's lock at this path."""
    name = f"{os.getuid()} {path.parent.resolve() / path.name}"
    return b"\0dalston-" + hashlib.sha256(name.encode()).hexdigest()[:32].encode()
