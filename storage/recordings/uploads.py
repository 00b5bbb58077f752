"""Uploads the parts of recordings in the background, and holds no more of them than the disk may.

What can't be uploaded is tried again until it can. It lies on this machine's disk until then, also over a
restart. Beyond the bound the recorder gets no room, and audio is lost.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from runtime.logs import get_logger
from storage.recordings.errors import NoRecording, StorageUnavailable
from storage.recordings.layout import ENDED, is_log, parts_folder, read_segment_name
from storage.recordings.store import RecordingStore

log = get_logger(__name__)


class Uploader:
    """Brings the parts below `spool` to a store, in a thread of its own."""

    def __init__(self, spool: Path, store: RecordingStore, max_bytes: int, retry_s: float) -> None:
        """At most `max_bytes` may wait; `retry_s` are the seconds until another try."""
        self._spool, self._store, self._max_bytes, self._retry_s = spool, store, max_bytes, retry_s
        self._waiting_bytes = 0
        self._segments: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether as much waits as the disk may hold."""
        return self._waiting_bytes >= self._max_bytes

    def add_segments(self, parts: Iterable[Path]) -> None:
        """Upload segments that are complete; other parts go with the end of their session."""
        with self._lock:
            for path in (part for part in parts if read_segment_name(part.name)):
                size = path.stat().st_size if path.exists() else 0
                self._waiting_bytes += size - self._segments.get(path, 0)
                self._segments[path] = size
        self._wake.set()

    def has_parts(self, session_id: str) -> bool:
        """Whether there is something of a session that is not uploaded."""
        return (self._spool / parts_folder(session_id)).is_dir()

    def upload_session(self, session_id: str) -> None:
        """Upload all parts of a session that is closed here, and delete them from the disk.

        Raises:
            StorageUnavailable: the store does not answer; what is left is still on the disk.
        """
        folder = self._spool / parts_folder(session_id)
        if not folder.is_dir():
            return
        parts = sorted(folder.iterdir())
        segments = [path for path in parts if read_segment_name(path.name)]
        logs = [path for path in parts if is_log(path.name)]
        ended = [path for path in parts if path.name == ENDED]
        for path in [*segments, *logs, *ended]:
            self._upload(path)
        with suppress(OSError):
            folder.rmdir()

    def close(self, deadline: float) -> None:
        """End the thread; what waits is uploaded after the next start."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(deadline)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._segments and not self._stopping.is_set():
                try:
                    self._upload(next(iter(self._segments)))
                except StorageUnavailable as error:
                    log.warning("uploads wait: %s", error, waiting_mb=round(self._waiting_bytes / 1e6, 1))
                    self._stopping.wait(self._retry_s)

    def _upload(self, path: Path) -> None:
        target = path.relative_to(self._spool).as_posix()
        with suppress(NoRecording):  # Somebody else in this process was faster, or it was deleted.
            self._store.upload(path, target)
        path.unlink(missing_ok=True)
        with self._lock:
            self._waiting_bytes -= self._segments.pop(path, 0)
