"""Runs the recordings of one gateway: the thread that writes, the uploads, and the joins at the end."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from runtime.logs import get_logger
from storage.recordings.errors import NoRecording, RecordingError, StorageUnavailable
from storage.recordings.joining import JoinedRecording
from storage.recordings.layout import ENDED, PARTS, SESSIONS, TRANSCRIPT, session_folder
from storage.recordings.library import Recordings
from storage.recordings.recorder import RecordingThread, SessionRecorder
from storage.recordings.session_writer import SEGMENT_S, UPLOADED_SEGMENT_S, RecordedSession
from storage.recordings.spool import claim_spool
from storage.recordings.uploads import Uploader

log = get_logger(__name__)

SPOOL: Final = "spool"  # Folder below the data folder of what is not uploaded yet.
MAX_SPOOL_BYTES: Final = 1 << 30  # Bytes on this disk that wait for an upload: 9 hours of one session.
RETRY_S: Final = 5.0  # Seconds until a join is tried again, which failed by a store that is away or full.


class RecordingService:
    """The recordings of one gateway; `on_joined` is called in a thread, for each that is joined here."""

    def __init__(
        self,
        data_dir: Path,
        url: str | None = None,
        on_joined: Callable[[str, JoinedRecording], None] = lambda *_: None,
        max_spool_bytes: int = MAX_SPOOL_BYTES,
    ) -> None:
        """Record into the data folder, or into what `url` names.

        Raises:
            StartupError: it can't be used.
        """
        self.recordings = Recordings(url or str(data_dir.absolute()))
        self._on_joined = on_joined
        self._ended: queue.Queue[str | None] = queue.Queue()
        self._lost: set[str] = set()  # Sessions that nobody has ended, since their gateway is gone.
        folder = self.recordings.store.folder
        self._spool = folder or claim_spool(data_dir.absolute() / SPOOL)
        self._uploader: Uploader | None = None
        # A folder has all sessions ever recorded: the thread looks through it, and not the start.
        self._left: Iterable[str] = _left_behind(self._spool)
        if folder is None:
            self._left = list(
                self._left
            )  # Before anything of this process is there, which would be uploaded.
            self._uploader = Uploader(self._spool, self.recordings.store, max_spool_bytes)
        self._thread = RecordingThread(
            self._spool,
            self._uploader.add_segments if self._uploader else lambda _: None,
            self._on_closed,
            UPLOADED_SEGMENT_S if self._uploader else SEGMENT_S,
            lambda: self.is_full,
        )
        self._stopping = threading.Event()
        self._finisher = threading.Thread(target=self._finish_all, name="joins", daemon=True)
        self._finisher.start()

    def record(self, session: RecordedSession, on_loss: Callable[[str], None]) -> SessionRecorder:
        """Record a session from now on; `on_loss` is called, in any thread, with why something is lost."""
        return self._thread.record(session, on_loss)

    def finish_lost(self, session_id: str) -> None:
        """Join what a gateway that is gone has left of a session; nobody goes on with it."""
        self._lost.add(session_id)
        self._ended.put(session_id)

    @property
    def is_full(self) -> bool:
        """Whether nothing more may be recorded until what waits is uploaded."""
        return self._uploader is not None and self._uploader.is_full

    def close(self, deadline: float) -> None:
        """Write all that waits; what is not joined or uploaded within `deadline` seconds is after a start."""
        until = time.monotonic() + deadline
        self._thread.close(deadline)
        self._stopping.set()
        self._ended.put(None)
        if self._uploader:
            self._uploader.close(max(0.0, until - time.monotonic()))
        self._finisher.join(max(0.0, until - time.monotonic()))

    def _on_closed(self, session_id: str, ended: bool) -> None:
        if ended or self._uploader:
            self._ended.put(session_id)

    def _finish_all(self) -> None:
        for left in self._left:
            self._ended.put(left)
        while (session_id := self._ended.get()) is not None and not self._stopping.is_set():
            try:
                self._finish(session_id)
            except StorageUnavailable as error:
                log.warning("a recording is joined later: %s", error, session=session_id)
                self._ended.put(session_id)
                self._stopping.wait(RETRY_S)
            except NoRecording:
                log.info("a recording was deleted before it was joined", session=session_id)
            except RecordingError as error:
                log.error("a recording can't be joined: %s", error, session=session_id)
            except Exception:
                log.exception("a recording can't be joined by a fault of ours", session=session_id)

    def _finish(self, session_id: str) -> None:
        """Bring what is here to the store, and join it if the session is over."""
        if self._uploader:
            self._uploader.upload_session(session_id)
        store, folder = self.recordings.store, session_folder(session_id)
        over = ENDED in store.sizes(f"{folder}/{PARTS}") or TRANSCRIPT in store.sizes(folder)
        if over or session_id in self._lost:
            self._lost.discard(session_id)
            self._on_joined(session_id, self.recordings.finish(session_id))


def _left_behind(spool: Path) -> Iterator[str]:
    """The sessions whose parts a process before this one left on the disk."""
    return (path.parent.name for path in (spool / SESSIONS).glob(f"*/{PARTS}"))
