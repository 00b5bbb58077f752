"""Reads a pipe or a file once from its start to its end, in the form that libsndfile asks for."""

import os
from typing import Final, Protocol

ENDLESS: Final = 1 << 48  # Bytes; the length that is told where nobody knows it.


class Readable(Protocol):
    """What bytes are read from; it may give fewer than it was asked for."""

    def read(self, size: int, /) -> bytes | None:
        """At most `size` bytes; none at the end."""
        ...


class ByteStream:
    """Gives bytes in the order in which they come; `seek` and `tell` only keep libsndfile content."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._peeked = b""
        self._left = ENDLESS
        self._position = 0

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay to be read."""
        found = self.read(size)
        self._peeked = found + self._peeked
        self._left += len(found)
        return found

    def limit(self, size: int | None) -> None:
        """End after so many more bytes; positions count from here."""
        self._left = ENDLESS if size is None else size
        self._position = 0

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        size = min(size, self._left)
        found = bytearray(self._peeked[:size])
        self._peeked = self._peeked[size:]
        while len(found) < size and (more := self._source.read(size - len(found))):
            found += more
        self._left -= len(found)
        return bytes(found)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as there are bytes."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Note where libsndfile thinks that it is: it reads raw samples in their order only."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: ENDLESS}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        """Where libsndfile thinks that it is."""
        return self._position
