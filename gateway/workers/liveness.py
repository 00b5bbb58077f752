"""Watches whether a session's worker is alive, and tells the worker whether the client is there."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from dalston_realtime.protocol.commands import KeepaliveCommand, encode_command
from gateway.workers.connection import WorkerConnection
from runtime.errors import SessionError
from runtime.worker_link import ClientPresence, encode

KEEPALIVE: Final = encode_command(KeepaliveCommand())


@dataclass(frozen=True, slots=True)
class LivenessLimits:
    """Seconds after which a worker is given up, and between two signs of an absent client.

    A worker that gets audio says something every 0.25 s at the latest, however busy its stages are. One
    that is looked at after `look` and then says nothing for `hung` hangs, or its host is cut off.

    - first_word: for a worker that takes over a session to say something.
    - recheck: before the verdict; a gateway that was held up itself reads what has come meanwhile.
    - keepalive: between two keepalives for a client that is away.
    """

    first_word: float = 2.0
    look: float = 0.25
    hung: float = 1.0
    recheck: float = 0.05
    keepalive: float = 10.0


class Liveness:
    """Outlives the workers of a session. Each watcher returns when the worker of now is lost."""

    def __init__(self, limits: LivenessLimits | None = None) -> None:
        self._limits = limits or LivenessLimits()
        self._event = asyncio.Event()  # The worker of now said something.
        self._audio = asyncio.Event()  # Audio came for it.
        self._presence = asyncio.Event()  # The client came or went.
        self._present = False

    def reset(self) -> None:
        """Another worker is next."""
        self._event.clear()

    def on_event(self) -> None:
        """The worker said something."""
        self._event.set()

    def on_audio(self) -> None:
        """Audio came, which the worker gets."""
        self._audio.set()

    def on_presence(self, present: bool) -> None:
        """The client came or went."""
        self._present = present
        self._presence.set()

    async def until_silent(self) -> None:
        """Returns if the worker says nothing at first: its stages may be dying."""
        try:
            async with asyncio.timeout(self._limits.first_word):
                await self._event.wait()
        except TimeoutError:
            return
        await asyncio.Event().wait()

    async def until_hung(self) -> None:
        """Returns if the worker gets audio and says nothing; its heartbeats say so later, or never."""
        await self._event.wait()
        while True:
            await asyncio.sleep(self._limits.look)
            self._audio.clear()
            self._event.clear()
            await self._audio.wait()
            try:
                async with asyncio.timeout(self._limits.hung):
                    await self._event.wait()
            except TimeoutError:
                await asyncio.sleep(self._limits.recheck)
                if not self._event.is_set():
                    return

    async def report_presence(self, worker: WorkerConnection) -> None:
        """Tells the worker when the client is away: then neither input time-out nor idle time-out runs.

        Returns if the worker takes nothing.
        """
        told = True
        with suppress(SessionError):
            while True:
                self._presence.clear()
                present = self._present
                if present != told:
                    await worker.send(encode(ClientPresence(present=present)))
                elif not present:
                    await worker.send(KEEPALIVE)
                told = present
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if present else self._limits.keepalive):
                        await self._presence.wait()
