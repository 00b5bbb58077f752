"""Reads the header Range of a request for a file, and gives out that part of it."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import IO, Final

_RANGE: Final = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
PIECE: Final = 1 << 18  # Bytes that are read and sent at a time.


class RangeNotSatisfiable(Exception):
    """A range begins behind the end of the file."""


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last; None for the whole file.

    A header that is no single range is ignored, as HTTP asks for.

    Raises:
        RangeNotSatisfiable: nothing of it is in the file.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return None
    if match[3]:
        first, end = max(0, size - int(match[3])), size
    else:
        first, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < first:
            return None
    if first >= end:
        raise RangeNotSatisfiable
    return first, end


async def file_part(file: IO[bytes], first: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of a part, read in threads; the file is closed behind them."""
    try:
        await asyncio.to_thread(file.seek, first)
        while first < end:
            data = await asyncio.to_thread(file.read, min(PIECE, end - first))
            if not data:
                return
            first += len(data)
            yield data
    finally:
        file.close()
