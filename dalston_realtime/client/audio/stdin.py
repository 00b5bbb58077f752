"""Reads raw PCM on standard input as chunks of 16 kHz mono s16le, as they come."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator

from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.audio.pacing import as_taken
from dalston_realtime.client.errors import AudioError


def stdin_chunks() -> AsyncIterator[bytes]:
    """Standard input in chunks of 100 ms (the last one may be shorter).

    Raises:
        AudioError: it is a terminal.
    """
    if sys.stdin.isatty():
        raise AudioError(
            "-: standard input is a terminal; pipe raw 16 kHz mono s16le into it, such as"
            " ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - | dalston-rt transcribe -"
        )
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        return as_taken(iter(lambda: sys.stdin.buffer.read(CHUNK_BYTES), b""))
    return _pipe_chunks()


async def _pipe_chunks() -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=4 * CHUNK_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    try:
        while True:
            try:
                yield await reader.readexactly(CHUNK_BYTES)
            except asyncio.IncompleteReadError as rest:
                if rest.partial:
                    yield rest.partial
                return
    finally:
        transport.close()
