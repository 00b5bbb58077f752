"""Gives each process a folder of its own for what it has not uploaded, and that of one that is gone."""

import fcntl
import os
from itertools import count
from pathlib import Path

from runtime.errors import StartupError
from storage.recordings.layout import PARTS, SESSION_ID


def claim_spool(folder: Path) -> Path:
    """The first folder in `folder` that no living process has; it is this one's from now on.

    Raises:
        StartupError: the folder can't be written.
    """
    try:
        for path in (folder / str(number) for number in count()):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _lock(path) is not None:
                return path
    except OSError as error:
        raise StartupError(f"can't use {folder} for recordings: {error.strerror}") from None
    raise AssertionError("numbers have no end")


def adopt_spools(own: Path) -> list[Path]:
    """Move the parts of processes that are gone, beside the folder `own`, into it; where they are now."""
    found: list[Path] = []
    for other in sorted(own.parent.iterdir()):
        handle = _lock(other) if other != own and other.is_dir() else None
        if handle is not None:
            found += [part for name in left_in(other) for part in _move(other, own, name)]
            os.close(handle)
    return found


def left_in(spool: Path) -> list[str]:
    """The sessions of which there are parts in a folder."""
    return sorted(path.name for path in spool.glob(f"{PARTS}/*") if SESSION_ID.fullmatch(path.name))


def _move(other: Path, own: Path, session_id: str) -> list[Path]:
    """Move the parts of a session, each of which has a name like no other; where they are now."""
    source, target = other / PARTS / session_id, own / PARTS / session_id
    parts = sorted(source.iterdir())
    if parts:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    moved = [part.rename(target / part.name) for part in parts]
    source.rmdir()
    return moved


def _lock(path: Path) -> int | None:
    """Lock a folder until the handle is closed, or this process ends; None where somebody has it."""
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
