"""Uploads the parts of recordings in the background, and holds no more of them than the disk may.

What can't be uploaded is tried again until it can. It lies on this machine's disk until then, also over a
restart. Beyond the bound the recorder gets no room, and audio is lost.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.logs import get_logger
from storage.recordings.errors import NoRecording, StorageUnavailable
from storage.recordings.layout import ENDED, PARTS, SESSIONS, is_log, read_segment_name
from storage.recordings.store import RecordingStore

log = get_logger(__name__)

RETRY_S: Final = 2.0  # Seconds until another try, while the store does not answer.


class Uploader:
    """Brings the parts below `spool` to a store, in a thread of its own."""

    def __init__(self, spool: Path, store: RecordingStore, max_bytes: int) -> None:
        self._spool, self._store, self._max_bytes = spool, store, max_bytes
        self._waiting_bytes = 0
        self._segments: dict[Path, int] = {}
        self._lock = threading.Lock()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self.add_segments(_segments_below(spool))
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether as much waits as the disk may hold."""
        return self._waiting_bytes >= self._max_bytes

    def add_segments(self, segments: list[Path]) -> None:
        """Upload segments that are complete."""
        with self._lock:
            for path in segments:
                size = path.stat().st_size if path.exists() else 0
                self._segments[path] = size
                self._waiting_bytes += size
        self._wake.set()

    def upload_session(self, session_id: str) -> None:
        """Upload all parts of a session that is closed here, and delete them from the disk.

        Raises:
            StorageUnavailable: the store does not answer; what is left is still on the disk.
        """
        folder = self._spool / SESSIONS / session_id / PARTS
        if not folder.is_dir():
            return
        parts = sorted(folder.iterdir())
        segments = [path for path in parts if read_segment_name(path.name)]
        logs = [path for path in parts if is_log(path.name)]
        ended = [path for path in parts if path.name == ENDED]
        for path in [*segments, *logs, *ended]:
            self._upload(path)
        for each in (folder, folder.parent):
            with suppress(OSError):
                each.rmdir()

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
                    self._stopping.wait(RETRY_S)

    def _upload(self, path: Path) -> None:
        target = path.relative_to(self._spool).as_posix()
        with suppress(NoRecording):  # Somebody else in this process was faster, or it was deleted.
            self._store.upload(path, target)
        path.unlink(missing_ok=True)
        with self._lock:
            self._waiting_bytes -= self._segments.pop(path, 0)


def _segments_below(spool: Path) -> list[Path]:
    return [
        path for path in sorted(spool.glob(f"{SESSIONS}/*/{PARTS}/*.wav")) if read_segment_name(path.name)
    ]
