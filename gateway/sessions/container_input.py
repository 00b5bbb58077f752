"""Decodes the audio of a session whose client sends a container, of which a frame is any piece."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from dalston_realtime.protocol.audio import BYTES_PER_SAMPLE
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.commands import EndCommand, FlushCommand
from gateway.sessions.compressed_input import UNDECODABLE, Feed, Warn
from gateway.sessions.replay.replay_buffer import ReplayBuffer
from gateway.sessions.replay.replay_entries import LastingCommand
from runtime.audio.compressed.container_thread import ContainerThread
from runtime.audio.compressed.errors import UnreadableStream
from runtime.errors import SessionError

DAMAGED = "a part of the container is damaged and left out, and the clock does not count it"
BEHIND = "the container has ended, and what came behind it is left out"


class ContainerInput:
    """One piece of a container after the other. A connection that breaks does not cut off a piece that has
    begun, since a decoder can't take back what it was given."""

    def __init__(self, separate: int, replay: ReplayBuffer, feed: Feed, warn: Warn) -> None:
        """The channels are mixed, or `separate` of them kept apart.

        Where another gateway had the session before, the container begins anew: what that one has decoded,
        which is in `replay` or final, is left out.
        """
        self._replay, self._feed, self._warn = replay, feed, warn
        self._known_bytes = replay.end * BYTES_PER_SAMPLE * max(1, separate)
        self.bytes_received = 0
        self._thread = ContainerThread(separate)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._warned: set[str] = set()
        self._failure: SessionError | None = None

    async def receive(self, data: bytes) -> None:
        """Take a piece of the container.

        Raises:
            SessionError: it is none, or can't be decoded.
        """
        self.bytes_received += len(data)
        await self._in_turn(self._decode(data))

    async def settle_for(self, command: LastingCommand | None) -> None:
        """Have all that came of the container stored before a command that ends what was said.

        Raises:
            SessionError: the container could not be decoded.
        """
        match command:
            case FlushCommand():
                await self._in_turn(self._store(self._thread.settle()))
            case EndCommand():
                await self._in_turn(self._finish())

    def close(self) -> None:
        """Take nothing more, and end the decoder's thread."""
        for task in self._tasks:
            task.cancel()
        self._thread.close()

    async def _in_turn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait((task,))  # Which cancels no task, and is not cancelled by one.
        if task.cancelled():
            return  # The session is over.
        task.result()
        if self._failure is not None:
            raise self._failure

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._turn:
            try:
                await work
            except UnreadableStream as error:
                self._failure = SessionError(CloseCode.INVALID_REQUEST, str(error))
            except SessionError as error:
                self._failure = error

    async def _decode(self, data: bytes) -> None:
        if self._thread.is_over:
            self._warn_once(BEHIND)
        await self._store(self._thread.decode(data))
        if self._thread.damaged:
            self._warn_once(DAMAGED)

    async def _finish(self) -> None:
        """A stream that breaks off was transcribed as far as it went."""
        try:
            await self._store(self._thread.finish())
        except UnreadableStream as error:
            self._warn_once(str(error))

    async def _store(self, blocks: AsyncIterator[bytes]) -> None:
        async for samples in blocks:
            known = min(self._known_bytes, len(samples))
            self._known_bytes -= known
            if known < len(samples):
                await self._feed(samples[known:])

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(UNDECODABLE, message)
