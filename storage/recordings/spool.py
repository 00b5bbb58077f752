"""Gives each process a folder of its own for what it has not uploaded, and that of one that is gone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

from runtime.errors import StartupError


def claim_spool(folder: Path) -> Path:
    """The first folder in `folder` that no living process has; it is this one's from now on.

    What a process that is gone left there is found by the next one.

    Raises:
        StartupError: the folder can't be written.
    """
    try:
        for path in (folder / str(number) for number in count()):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _lock(path):
                _adopt(path, _free_ones(folder, path))
                return path
    except OSError as error:
        raise StartupError(f"can't use {folder} for recordings: {error.strerror}") from None
    raise AssertionError("numbers have no end")


def _free_ones(folder: Path, own: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.iterdir()) if path != own and path.is_dir() and _lock(path))


def _adopt(own: Path, others: Iterator[Path]) -> None:
    """Move the sessions of other folders into the own one; one that is there already stays where it is."""
    for other in others:
        for session in other.glob("sessions/*"):
            with suppress(OSError):
                (own / "sessions").mkdir(mode=0o700, exist_ok=True)
                session.rename(own / "sessions" / session.name)


def _lock(path: Path) -> bool:
    """Lock a folder for the life of this process; false where another one has it."""
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True
