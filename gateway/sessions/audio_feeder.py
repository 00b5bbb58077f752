"""A session's audio log in, its worker fed out, no faster than the worker deals with it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.sessions.continuity import SessionContinuity
from gateway.sessions.replay_buffer import AudioSegment, ControlMessage, ReplayBuffer
from gateway.workers.connection import WorkerConnection

IN_FLIGHT_S: Final = 15.0  # of audio that a worker has and has not dealt with
UNSENT_MESSAGES: Final = 100  # that wait for a worker; then the client is not read
OPEN_FLUSHES: Final = 200  # the same of those that it has and has not answered
UNSENT_FRAMES: Final = 6_000  # the same of frames, of whatever size: 60 s in frames of 10 ms
UNSENT_S: Final = 10.0  # of audio that waits for a worker; then the client is not read
QUEUED_S: Final = 50.0  # the same before the first worker: a client that leaves is noticed by reading


class AudioFeeder:
    """Feeds one worker after the other; `sent_s` counts the seconds of the client's audio that went out."""

    def __init__(self, log: ReplayBuffer, story: SessionContinuity) -> None:
        self._log, self._story = log, story
        self._cursor = log.first()
        self._room = QUEUED_S
        self._moved = asyncio.Event()
        self._idle: WorkerConnection | None = None  # a worker that has got all there is

    def notice(self) -> None:
        """Something came, was sent, or was dealt with."""
        self._moved.set()

    def rewind(self) -> None:
        """Begin again with the first entry that the log keeps."""
        self._cursor = self._log.first()

    async def take(self, frame: bytes | str) -> float:
        """Put a client's frame into the log, once not too much waits there; the seconds that were lost."""
        if isinstance(frame, str):
            await self._until(self._may_speak)
            self._log.say(frame)
            self._pass_on()
            return 0.0
        lost, step = 0.0, self._log.rate * self._log.frame_bytes
        for at in range(0, len(frame), step):
            await self._until(self._has_room)
            lost += self._log.hear(frame[at : at + step])
            self._pass_on()
        return lost

    async def run(self, link: WorkerConnection) -> None:
        """Feed a worker until it has closed.

        Raises:
            SessionError: it takes no audio.
        """
        self._room = UNSENT_S
        while True:
            await self._until_more(link)
            entry = self._log.entry(self._cursor)
            if entry is not None:
                await self._until(partial(self._is_due, entry))
                if not await link.send(_frame(entry)):
                    return
            self._log.sent(self._cursor)
            self._cursor += 1
            self.notice()

    def _has_room(self) -> bool:
        frames = self._log.next - self._cursor
        return frames < UNSENT_FRAMES and self._log.unsent(self._cursor) <= self._room

    def _may_speak(self) -> bool:
        return self._log.open_flushes < OPEN_FLUSHES and self._log.unsent_messages < UNSENT_MESSAGES

    async def _until_more(self, link: WorkerConnection) -> None:
        self._idle = link
        try:
            await self._until(lambda: self._cursor < self._log.next)
        finally:
            self._idle = None

    def _pass_on(self) -> None:
        """Send what has just come, or wake `run` for it: a task less to switch to for each frame."""
        entry, link = self._log.entry(self._cursor), self._idle
        alone = self._cursor + 1 == self._log.next
        if link and entry and alone and self._is_due(entry) and link.send_at_once(_frame(entry)):
            self._log.sent(self._cursor)
            self._cursor += 1
        else:
            self.notice()

    def _is_due(self, entry: AudioSegment | ControlMessage) -> bool:
        """Whether the worker has dealt with enough of what came before."""
        at = entry.start / self._log.rate if isinstance(entry, AudioSegment) else 0.0
        return self._story.known.processed >= at - IN_FLIGHT_S

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._moved.clear()
            await self._moved.wait()


def _frame(entry: AudioSegment | ControlMessage) -> bytes | str:
    return entry.data if isinstance(entry, AudioSegment) else entry.text
