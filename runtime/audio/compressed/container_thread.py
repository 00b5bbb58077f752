"""Runs the decoder of one container in a thread of its own, for the event loop that has its bytes.

FFmpeg asks for bytes when it needs some, and waits. So the thread is either decoding, or waits for the event
loop: for more bytes, or, where it has decoded a lot, for the word to go on. The two take turns, which bounds
what is decoded and not fetched yet, however much a few bytes hold.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from runtime.audio.compressed.errors import UnreadableStream
from runtime.logs import get_logger

if TYPE_CHECKING:
    from runtime.audio.compressed.container_reader import ContainerReader  # loads numpy

log = get_logger(__name__)

BLOCK: Final = 1 << 17  # Samples that are decoded at a time, of all channels: 3 s of one at 48 kHz.


@dataclass(frozen=True, slots=True)
class ContainerLimits:
    """What a container may take before it is given up.

    - decode: seconds for one block; decoding takes some milliseconds for a second of audio.
    - header: seconds from the first byte to the first sample; a header that never ends takes longer.
    - silent_bytes: bytes in a row that hold no audio, such as a picture.
    """

    decode: float = 10.0
    header: float = 15.0
    silent_bytes: int = 16 << 20


class _Order(Enum):
    """What the event loop says to the thread, besides bytes."""

    GO_ON = auto()
    SETTLE = auto()  # Give what the resampler holds back.
    END = auto()  # No more bytes come.
    STOP = auto()  # Nobody wants the audio any more.


_Item: TypeAlias = "bytes | _Order"


@dataclass(frozen=True, slots=True)
class _Reply:
    """Samples, and whether the thread has more of what it was given; or why it has ended."""

    samples: bytes
    has_more: bool = False
    error: Exception | None = None


class ContainerThread:
    """Decodes one container; its methods are called in the event loop, one at a time."""

    def __init__(self, separate: int, limits: ContainerLimits | None = None) -> None:
        """The channels are mixed, or `separate` of them kept apart."""
        self._limits = limits or ContainerLimits()
        self._loop = asyncio.get_running_loop()
        self._orders: SimpleQueue[_Item] = SimpleQueue()
        self._replies: asyncio.Queue[_Reply] = asyncio.Queue()
        self._separate = separate
        self._thread = threading.Thread(target=self._run, name="container", daemon=True)
        self._audio_due: float | None = None  # Until when the first audio has to come.
        self._silent_bytes = 0  # Since the last audio.
        self.is_over = False  # It has ended by itself, or is given up: no audio comes any more.
        # In the thread alone, which loads FFmpeg as well:
        self._reader: ContainerReader | None = None
        self._input = b""
        self._is_stopped = self._is_ended = False

    @property
    def damaged(self) -> int:
        """Packets that could not be decoded, and were left out."""
        return self._reader.damaged if self._reader is not None else 0

    async def decode(self, data: bytes) -> AsyncIterator[bytes]:
        """The samples that the next bytes complete, in blocks.

        Raises:
            UnreadableStream: it is no container, or a broken one, or takes too long.
        """
        if self._thread.ident is None:
            self._audio_due = self._loop.time() + self._limits.header
            self._thread.start()
        self._silent_bytes += len(data)
        async for block in self._take(data):
            if block:
                self._silent_bytes, self._audio_due = 0, None
            yield block
        if not self.is_over:
            self._check_progress()

    async def settle(self) -> AsyncIterator[bytes]:
        """What is held back, since something follows it; more may follow."""
        async for block in self._take(_Order.SETTLE):
            yield block

    async def finish(self) -> AsyncIterator[bytes]:
        """The last samples: no more bytes come.

        Raises:
            UnreadableStream: nothing could be decoded, or the container is broken.
        """
        async for block in self._take(_Order.END):
            yield block

    def close(self) -> None:
        """Have the thread end, wherever it is."""
        self.is_over = True
        self._orders.put(_Order.STOP)

    def _check_progress(self) -> None:
        if self._silent_bytes > self._limits.silent_bytes:
            raise UnreadableStream(f"there is no audio in {self._silent_bytes >> 10} KiB of the container")
        if self._audio_due is not None and self._loop.time() > self._audio_due:
            seconds = self._limits.header
            raise UnreadableStream(f"no audio came of the container within {seconds:g} s of its begin")

    async def _take(self, item: _Item) -> AsyncIterator[bytes]:
        """What comes of bytes or of an order, until the thread waits for the next."""
        has_more = self._thread.is_alive() and not self.is_over
        while has_more:
            self._orders.put(item)
            item = _Order.GO_ON
            reply = await self._reply()
            yield reply.samples
            has_more = reply.has_more
            if reply.error is not None:
                raise reply.error

    async def _reply(self) -> _Reply:
        try:
            async with asyncio.timeout(self._limits.decode):
                reply = await self._replies.get()
        except TimeoutError:
            self.close()
            seconds = self._limits.decode
            raise UnreadableStream(f"the container could not be decoded within {seconds:g} s") from None
        return reply

    # In the thread.

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._decode_all()
        except UnreadableStream as found:
            error = found
        except Exception:
            log.exception("a container's decoder fails")
            error = UnreadableStream("the container can't be decoded")
        self.is_over = True
        self._answer(has_more=False, error=error)

    def _decode_all(self) -> None:
        from runtime.audio.compressed.container_reader import ContainerReader

        reader = self._reader = ContainerReader(self._wait_for_bytes, self._separate)
        self._obey(self._orders.get())
        for _ in reader.frames():
            if reader.converter.waiting >= BLOCK:
                self._answer(has_more=True)
                self._obey(self._orders.get())
            if self._is_stopped:
                return
        reader.converter.drain()

    def _wait_for_bytes(self, size: int) -> bytes:
        """Bytes for FFmpeg; none at the end."""
        while not self._input and not self._is_ended:
            self._answer(has_more=False)
            self._obey(self._orders.get())
        data, self._input = self._input[:size], self._input[size:]
        return data

    def _obey(self, item: _Item) -> None:
        if isinstance(item, bytes):
            self._input += item
        elif item is _Order.SETTLE and self._reader is not None:
            self._reader.converter.drain()
        elif item in (_Order.END, _Order.STOP):
            self._is_ended, self._is_stopped = True, item is _Order.STOP

    def _answer(self, *, has_more: bool, error: Exception | None = None) -> None:
        samples = self._reader.converter.take() if self._reader is not None else b""
        with suppress(RuntimeError):  # The event loop is closed.
            reply = _Reply(samples, has_more, error)
            self._loop.call_soon_threadsafe(self._replies.put_nowait, reply)
