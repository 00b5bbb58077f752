"""Writes one segment of a recording, a WAV file whose header is valid at every moment."""

import os
from pathlib import Path

from storage.recordings.wav import HEADER_BYTES, WavFormat


class SegmentFile:
    """A file that grows; its header never says more than what is written."""

    def __init__(self, path: Path, first: int, form: WavFormat) -> None:
        """Make the file, for the sample frames from `first` on.

        Raises:
            OSError: it can't be made.
        """
        self.path, self.first, self.frames = path, first, 0
        self._form = form
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_all(self._file, form.header(0), 0)
        except OSError:
            os.close(self._file)
            path.unlink(missing_ok=True)
            raise

    @property
    def end(self) -> int:
        """The sample frame that comes next."""
        return self.first + self.frames

    def append(self, data: bytes) -> None:
        """Add whole sample frames.

        Raises:
            OSError: not all of them could be written; `end` says how many were.
        """
        size = self._form.frame_bytes
        try:
            _write_all(self._file, data, HEADER_BYTES + self.frames * size)
            self.frames += len(data) // size
        except OSError:
            written = os.fstat(self._file).st_size - HEADER_BYTES
            self.frames = max(self.frames, written // size)
            raise
        finally:
            _write_all(self._file, self._form.header(self.frames), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _write_all(file: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written
