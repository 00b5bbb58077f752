"""Keeps the frames that a session sends, so that what a lost connection lost can be sent again."""

from collections import deque
from dataclasses import dataclass
from typing import Final

KEEP_S: Final = 60.0  # Seconds of audio that are kept after they were sent; a server can have lost a few.
KEEP_BYTES: Final = 4 << 20  # Bytes that are kept at least: socket buffers hold bytes, not seconds.


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A frame: audio whose first byte is byte `start` of the session's audio, or command number `number`."""

    frame: bytes | str
    start: int
    number: int

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return len(self.frame) if isinstance(self.frame, bytes) else 0


class SendBuffer:
    """The frames of one session in order: first those that were sent, then those that wait.

    `bytes_per_second` and `sample_bytes` are those of the session's audio, over all channels.
    """

    def __init__(self, bytes_per_second: int, sample_bytes: int) -> None:
        self._bytes_per_second, self._sample_bytes = bytes_per_second, sample_bytes
        self._keep_bytes = max(KEEP_BYTES, round(KEEP_S * bytes_per_second))
        self._sent: deque[SentFrame] = deque()
        self._waiting: deque[SentFrame] = deque()
        self._total_bytes = self._total_commands = 0
        self._sent_bytes = 0  # of the frames that are kept

    @property
    def waiting_bytes(self) -> int:
        """Bytes of audio that wait, and at least 1 while a command waits."""
        return sum(item.size for item in self._waiting) or bool(self._waiting)

    def bytes_in(self, seconds: float) -> int:
        """The bytes of so many seconds of audio."""
        return round(seconds * self._bytes_per_second)

    def append(self, frame: bytes | str) -> None:
        """Queue audio, or the text of a command."""
        self._total_commands += isinstance(frame, str)
        item = SentFrame(frame, self._total_bytes, self._total_commands)
        self._total_bytes += item.size
        self._waiting.append(item)

    def peek(self) -> bytes | str | None:
        """The next frame to send; None where nothing waits."""
        return self._waiting[0].frame if self._waiting else None

    def mark_sent(self) -> None:
        """Note that the next frame was sent."""
        self._keep(self._waiting.popleft())

    def rewind(self, seconds: float, commands: int) -> bool:
        """Let everything wait again that comes after so much audio and so many commands.

        False, and nothing is changed, where a part of it is kept no more, or was never sent.
        """
        frames = round(seconds * self._bytes_per_second / self._sample_bytes)
        return self.rewind_to(frames * self._sample_bytes, commands)

    def rewind_to(self, arrived: int, commands: int) -> bool:
        """The same behind so many bytes, which is what a server says of compressed audio."""
        again = [item for item in self._sent if _is_missing(item, arrived, commands)]
        rest = [item for item in self._waiting if _is_missing(item, arrived, commands)]
        first = next((item.start for item in [*again, *rest] if item.size), self._total_bytes)
        if arrived < first or arrived > self._total_bytes:
            return False
        keep = [item for item in [*self._sent, *self._waiting] if item not in again and item not in rest]
        self._sent, self._sent_bytes = deque(), 0
        for item in keep:
            self._keep(item)
        self._waiting = deque(_cut(item, arrived) for item in [*again, *rest])
        return True

    def _keep(self, item: SentFrame) -> None:
        self._sent.append(item)
        self._sent_bytes += item.size
        while self._sent_bytes - self._sent[0].size > self._keep_bytes:
            self._sent_bytes -= self._sent.popleft().size


def _is_missing(item: SentFrame, arrived: int, commands: int) -> bool:
    """Whether the server has not got all of a frame, after `arrived` bytes and so many commands."""
    return item.start + item.size > arrived if item.size else item.number > commands


def _cut(item: SentFrame, arrived: int) -> SentFrame:
    """The part of a frame that comes after `arrived` bytes."""
    if not item.size or item.start >= arrived:
        return item
    assert isinstance(item.frame, bytes)
    return SentFrame(item.frame[arrived - item.start :], arrived, item.number)
