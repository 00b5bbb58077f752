"""Writes one session's audio and events into files, for one gateway that has the session."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.recordings.event_log import EventLog
from storage.recordings.layout import ENDED, SegmentName, log_name, parts_folder
from storage.recordings.segment_file import SegmentFile
from storage.recordings.wav import WavFormat

SEGMENT_S: Final = 60.0  # Seconds of a segment in a folder: 240 files for four hours.
UPLOADED_SEGMENT_S: Final = 10.0  # Seconds of one that is uploaded: what is lost with this machine's disk.


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A session to record: its id, the name of its writer, its audio, and the first line of its events."""

    id: str
    writer: str
    form: WavFormat
    first_line: bytes


class SessionWriter:
    """The files of one session. What can't be written is lost, and `on_loss` hears why."""

    def __init__(
        self, root: Path, session: RecordedSession, segment_s: float, on_loss: Callable[[str], None]
    ) -> None:
        self.session = session
        self.closed_segments: list[Path] = []  # Complete, and not yet fetched by whoever uploads them.
        self._folder = root / parts_folder(session.id)
        self._on_loss = on_loss
        self._segment: SegmentFile | None = None
        self._segment_frames = round(segment_s * session.form.rate)
        self._log = EventLog(self._folder / log_name(session.writer), session.first_line)

    def append_audio(self, first: int, data: bytes) -> None:
        """Write whole sample frames, of which the first is number `first`."""
        size = self.session.form.frame_bytes
        try:
            while data:
                segment = self._segment_at(first)
                piece = data[: (self._segment_frames - segment.frames) * size]
                segment.append(piece)
                first, data = segment.end, data[len(piece) :]
        except OSError as error:
            self._close_segment()
            self._on_loss(error.strerror or str(error))

    def append_event(self, event: bytes) -> None:
        """Add an event, which `flush` writes."""
        self._log.append(event)

    def flush(self) -> None:
        """Write the events."""
        try:
            if not self._log.is_open:
                self._make_folder()
            self._log.flush()
        except OSError as error:
            self._on_loss(error.strerror or str(error))

    def close(self, *, ended: bool) -> None:
        """Close the files; `ended` says that nobody goes on with the session."""
        self._close_segment()
        self.flush()
        self._log.close()
        if ended:
            try:
                (self._folder / ENDED).touch(0o600)
            except OSError as error:
                self._on_loss(error.strerror or str(error))

    def _segment_at(self, first: int) -> SegmentFile:
        """The segment that goes on with a sample frame, or a new one."""
        segment = self._segment
        if segment is not None and segment.end == first and segment.frames < self._segment_frames:
            return segment
        self._close_segment()
        self._make_folder()
        name = SegmentName(first, self.session.writer)
        self._segment = SegmentFile(self._folder / str(name), first, self.session.form)
        return self._segment

    def _make_folder(self) -> None:
        for each in (self._folder.parent, self._folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _close_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self.closed_segments.append(self._segment.path)
            self._segment = None
