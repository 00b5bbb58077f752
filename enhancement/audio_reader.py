"""Reads the prepared audio of a job piece by piece, so that memory does not grow with its length."""

from collections.abc import Iterator
from types import TracebackType
from typing import IO, Final, Self

import numpy as np

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from engines.base import Floats
from storage.recordings.wav import HEADER_BYTES, read_header

BLOCK_S: Final = 10.0  # Seconds that `blocks` reads at a time, 320 kB a channel.
FULL_SCALE: Final = 32_768.0


class AudioReader:
    """The samples of a WAV file of ours, 16 kHz s16, `gain` times as loud."""

    def __init__(self, file: IO[bytes], gain: float = 1.0) -> None:
        """Read `file`, which belongs to this object from here on.

        Raises:
            BadWav: it is no file of ours.
        """
        self._file, self._factor = file, gain / FULL_SCALE
        self.channels = read_header(file.read(HEADER_BYTES)).channels
        self._frame = BYTES_PER_SAMPLE * self.channels
        self.samples = (file.seek(0, 2) - HEADER_BYTES) // self._frame

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / SAMPLE_RATE

    def read(self, first: int, last: int, channel: int | None = None) -> Floats:
        """Samples `first` to before `last` [n] of a channel, or of the mean of all; -1..1."""
        first, last = max(0, first), min(last, self.samples)
        if last <= first:
            return np.zeros(0, np.float32)
        self._file.seek(HEADER_BYTES + first * self._frame)
        data = self._file.read((last - first) * self._frame)
        frames = np.frombuffer(data[: len(data) // self._frame * self._frame], "<i2").reshape(
            -1, self.channels
        )
        chosen = frames[:, channel] if channel is not None else _mean(frames)
        return np.clip(chosen * np.float32(self._factor), -1.0, 1.0).astype(np.float32, copy=False)

    def blocks(self, channel: int | None = None, seconds: float = BLOCK_S) -> Iterator[Floats]:
        """All samples in blocks; the last one may be shorter."""
        size = round(seconds * SAMPLE_RATE)
        for first in range(0, self.samples, size):
            yield self.read(first, first + size, channel)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def _mean(frames: "np.ndarray[tuple[int, int], np.dtype[np.int16]]") -> Floats:
    return frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1, dtype=np.float32)  # type: ignore[return-value]
