"""Notices the death of a stage process at once, before its next heartbeat is missed."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from runtime.logs import get_logger

log = get_logger(__name__)


class ProcessWatch:
    """Watches processes that hold a lock file with their process id in it."""

    def __init__(self, folder: Path, on_death: Callable[[str, int], None]) -> None:
        self._folder, self._on_death = folder, on_death
        self._watched: dict[tuple[str, int], int] = {}

    def watch_process(self, stage: str, index: int) -> None:
        """Call `on_death(stage, index)` when the process that holds the stage's lock ends."""
        if (stage, index) in self._watched:
            return
        try:
            pid = int(self._path(stage, index).read_text())
            handle = os.pidfd_open(pid)
        except (OSError, ValueError):
            return  # another machine's process or an old kernel: its heartbeats have to do
        self._watched[stage, index] = handle
        asyncio.get_running_loop().add_reader(handle, self._on_exit, stage, index)

    def close(self) -> None:
        """Close all descriptors."""
        for key in list(self._watched):
            self._unwatch(key)

    def _on_exit(self, stage: str, index: int) -> None:
        self._unwatch((stage, index))
        if not self._is_held(stage, index):
            self._on_death(stage, index)

    def _unwatch(self, key: tuple[str, int]) -> None:
        handle = self._watched.pop(key)
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)

    def _is_held(self, stage: str, index: int) -> bool:
        """A process id may be of another namespace; a lock is of the process or of nobody."""
        try:
            with self._path(stage, index).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:  # A cleaner of /tmp has removed it.
            return False
        except OSError:
            return True
        return False

    def _path(self, stage: str, index: int) -> Path:
        return self._folder / f"{stage}.{index + 1}.lock"
