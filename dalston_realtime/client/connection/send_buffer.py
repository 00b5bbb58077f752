"""What a session has sent and is to send: audio and messages in order, again what a lost connection lost."""

from collections import deque
from dataclasses import dataclass
from typing import Final

KEEP_S: Final = 60.0  # of audio that was sent: what a server can have lost is seconds
KEEP_BYTES: Final = 4 << 20  # at least: socket buffers hold bytes, not seconds


@dataclass(frozen=True, slots=True)
class Item:
    """A frame; audio from byte `at` on, or message number `number`."""

    frame: bytes | str
    at: int
    number: int

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return len(self.frame) if isinstance(self.frame, bytes) else 0


class SendBuffer:
    """The frames of one session, in order; `bytes_per_second` and `sample_bytes` are those of its audio."""

    def __init__(self, bytes_per_second: int, sample_bytes: int) -> None:
        self._per_second, self._sample = bytes_per_second, sample_bytes
        self._keep = max(KEEP_BYTES, round(KEEP_S * bytes_per_second))
        self._done: deque[Item] = deque()
        self._waiting: deque[Item] = deque()
        self._bytes = self._messages = 0
        self._done_bytes = 0

    @property
    def waiting(self) -> int:
        """Bytes of audio that are to be sent, and at least 1 while anything is."""
        return sum(item.size for item in self._waiting) or bool(self._waiting)

    def seconds(self, seconds: float) -> int:
        """So many seconds of audio in bytes."""
        return round(seconds * self._per_second)

    def add(self, frame: bytes | str) -> None:
        """Take a frame."""
        self._messages += isinstance(frame, str)
        item = Item(frame, self._bytes, self._messages)
        self._bytes += item.size
        self._waiting.append(item)

    def head(self) -> bytes | str | None:
        """The next frame to send."""
        return self._waiting[0].frame if self._waiting else None

    def done(self) -> None:
        """It was sent."""
        self._move(self._waiting.popleft())

    def go_back(self, seconds: float, messages: int) -> bool:
        """Send again what came behind so much audio and so many messages; false if it is not kept."""
        arrived = round(seconds * self._per_second / self._sample) * self._sample
        again = [item for item in self._done if self._missing(item, arrived, messages)]
        rest = [item for item in self._waiting if self._missing(item, arrived, messages)]
        first = next((item.at for item in [*again, *rest] if item.size), self._bytes)
        if arrived < first or arrived > self._bytes:
            return False
        keep = [item for item in [*self._done, *self._waiting] if item not in again and item not in rest]
        self._done, self._done_bytes = deque(), 0
        for item in keep:
            self._move(item)
        self._waiting = deque(self._cut(item, arrived) for item in [*again, *rest])
        return True

    def _missing(self, item: Item, arrived: int, messages: int) -> bool:
        return item.at + item.size > arrived if item.size else item.number > messages

    def _cut(self, item: Item, arrived: int) -> Item:
        if not item.size or item.at >= arrived:
            return item
        assert isinstance(item.frame, bytes)
        return Item(item.frame[arrived - item.at :], arrived, item.number)

    def _move(self, item: Item) -> None:
        self._done.append(item)
        self._done_bytes += item.size
        while self._done_bytes - self._done[0].size > self._keep:
            self._done_bytes -= self._done.popleft().size
