"""Takes the audio and events of all sessions of a gateway, and writes them in a thread of its own.

The event loop only puts what came into a queue, which is bounded: a disk that hangs costs the recording and
not the live session. The thread writes all that waits, four times a second.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from runtime.logs import get_logger
from storage.recordings.session_writer import SEGMENT_S, RecordedSession, SessionWriter

log = get_logger(__name__)

FLUSH_S: Final = 0.25  # Seconds between two writes: with the write, less than a second of audio waits.
MAX_WAITING_BYTES: Final = 64 << 20  # Bytes that wait for the disk: 10 s of 200 sessions.

SLOW: Final = "the disk is too slow"
SPOOL_FULL: Final = "the object store is away, and as much waits for it as may"


@dataclass(frozen=True, slots=True)
class _Closing:
    ended: bool


@dataclass(frozen=True, slots=True)
class _Samples:
    first: int
    data: bytes


_Item: TypeAlias = _Samples | bytes | _Closing


class SessionRecorder:
    """The way of one session into the thread; its methods are called in the event loop, and never wait."""

    def __init__(
        self, thread: "RecordingThread", writer: SessionWriter, on_loss: Callable[[str], None]
    ) -> None:
        self.writer = writer
        self._thread, self._on_loss = thread, on_loss
        self._inbox: deque[_Item] = deque()

    def append_audio(self, first: int, data: bytes) -> None:
        """Record whole sample frames, of which the first is number `first` of the client's stream."""
        if self._thread.is_full():
            self._on_loss(SPOOL_FULL)
        elif self._thread.has_room(len(data)):
            self._inbox.append(_Samples(first, data))
        else:
            self._on_loss(SLOW)

    def append_event(self, event: bytes) -> None:
        """Record an event, as JSON."""
        if self._thread.has_room(len(event)):
            self._inbox.append(event)
        else:
            self._on_loss(SLOW)

    def close(self, *, ended: bool) -> None:
        """Write what came, and close the files; `ended` says that nobody goes on with the session."""
        self._inbox.append(_Closing(ended))

    def write(self) -> _Closing | None:
        """Write what waits, in the thread; how the session was closed, once it was."""
        samples, size = deque[_Samples](), 0
        closing: _Closing | None = None
        while self._inbox and closing is None:
            item = self._inbox.popleft()
            if isinstance(item, _Closing):
                closing = item
            elif isinstance(item, bytes):
                self.writer.append_event(item)
                size += len(item)
            else:
                samples.append(item)
                size += len(item.data)
        for first, data in _joined(samples, self.writer.session.form.frame_bytes):
            self.writer.append_audio(first, data)
        if size:
            self.writer.flush()
        self._thread.mark_written(size)
        return closing


def _joined(samples: deque[_Samples], frame_bytes: int) -> list[tuple[int, bytes]]:
    """What follows each other without a hole is written at once."""
    found: list[tuple[int, list[bytes]]] = []
    end = -1
    for each in samples:
        if each.first != end:
            found.append((each.first, []))
        found[-1][1].append(each.data)
        end = each.first + len(each.data) // frame_bytes
    return [(first, b"".join(parts)) for first, parts in found]


class RecordingThread:
    """The thread; `on_segments` and `on_closed` are called in it, with what may be uploaded or joined."""

    def __init__(
        self,
        root: Path,
        on_segments: Callable[[list[Path]], None] = lambda _: None,
        on_closed: Callable[[RecordedSession, bool], None] = lambda *_: None,
        segment_s: float = SEGMENT_S,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """Write below `root`; while `is_full`, audio is lost."""
        self.is_full = is_full
        self._root, self._segment_s = root, segment_s
        self._on_segments, self._on_closed = on_segments, on_closed
        self._recorders: set[SessionRecorder] = set()
        self._added: deque[SessionRecorder] = deque()
        # Each of the two is written by one side alone, so they need no lock.
        self._appended = self._written = 0
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)
        self._thread.start()

    def record(self, session: RecordedSession, on_loss: Callable[[str], None]) -> SessionRecorder:
        """Record a session from now on; `on_loss` is called in either thread, with the reason."""
        writer = SessionWriter(self._root, session, self._segment_s, on_loss)
        recorder = SessionRecorder(self, writer, on_loss)
        self._added.append(recorder)
        self._wake.set()
        return recorder

    def has_room(self, size: int) -> bool:
        """Whether so many bytes may wait as well; then they count."""
        if self._appended - self._written + size > MAX_WAITING_BYTES:
            return False
        self._appended += size
        return True

    def mark_written(self, size: int) -> None:
        """So many bytes wait no more."""
        self._written += size

    def close(self, deadline: float) -> None:
        """Write all that waits, and end the thread, within `deadline` seconds."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(deadline)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._write_all()
            if self._recorders:
                self._stopping.wait(FLUSH_S)
            else:
                self._wake.wait()
                self._wake.clear()
        self._write_all()

    def _write_all(self) -> None:
        while self._added:
            self._recorders.add(self._added.popleft())
        for recorder in list(self._recorders):
            try:
                self._write(recorder)
            except Exception:
                log.exception("a recording ends by a fault of ours", session=recorder.writer.session.id)
                self._recorders.discard(recorder)

    def _write(self, recorder: SessionRecorder) -> None:
        closing = recorder.write()
        if closing is not None:
            recorder.writer.close(ended=closing.ended)
            self._recorders.discard(recorder)
        if segments := recorder.writer.closed_segments:
            recorder.writer.closed_segments = []
            self._on_segments(segments)
        if closing is not None:
            self._on_closed(recorder.writer.session, closing.ended)
