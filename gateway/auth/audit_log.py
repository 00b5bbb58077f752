"""Writes down who did what, one JSON line each, into a file that only grows; never text or audio."""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from runtime.logs import get_logger
from storage.times import as_iso, utc_now

log = get_logger(__name__)

FILE: Final = "audit.log"
MAX_FAILURES: Final = 60  # Failed logins a minute that get a line; of more only the number is written.
WINDOW_S: Final = 60.0  # Seconds of that minute.
MAX_VALUE: Final = 300  # Characters of a value: clients choose some of them.


class AuditLog:
    """The file of one server; processes may share it, since each line is one write."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._path, self._now = folder / FILE, now
        self._began: datetime | None = None
        self._failures = self._omitted = 0
        self._is_broken = False

    async def append(self, action: str, **about: object) -> None:
        """Write that something was done."""
        await asyncio.to_thread(self.write, action, **about)

    async def append_failure(self, **about: object) -> None:
        """Write that a login failed, unless there were very many in this minute."""
        now = self._now()
        if self._began is None or (now - self._began).total_seconds() >= WINDOW_S:
            omitted, self._began, self._failures, self._omitted = self._omitted, now, 0, 0
            if omitted:
                await self.append("login_failures_omitted", count=omitted)
        self._failures += 1
        if self._failures > MAX_FAILURES:
            self._omitted += 1
            return
        await self.append("login_failed", **about)

    def write(self, action: str, **about: object) -> None:
        """Write a line; blocks. A full disk is told to the log, and stops nobody."""
        line = {"time": as_iso(self._now()), "action": action, **{k: _short(v) for k, v in about.items()}}
        data = msgspec.json.encode(line) + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(self._path, flags, 0o600)
            try:
                os.write(file, data)
            finally:
                os.close(file)
        except OSError as error:
            if not self._is_broken:
                log.error("the audit log can't be written", file=str(self._path), why=error.strerror)
            self._is_broken = True
        else:
            self._is_broken = False


def _short(value: object) -> object:
    return value[:MAX_VALUE] if isinstance(value, str) else value
