"""Saves the checkpoints of one gateway's sessions, many in one call, a few times a second."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from broker.checkpoint_record import OWNER
from broker.checkpoints import CheckpointChange, Checkpoints, SaveResult
from broker.errors import RegistryUnavailable
from gateway.sessions.state import SessionState
from runtime.logs import get_logger

log = get_logger(__name__)

# Bytes of a call, which keeps Redis busy for some ms; a gateway has hundreds of sessions of up to 2 MB.
MAX_CALL_BYTES: Final = 1 << 20
MARGIN_S: Final = 30  # Seconds for which a checkpoint stays in Redis beyond the resume window.


@dataclass(frozen=True, slots=True)
class CheckpointLimits:
    """Seconds between two saves; for a save that a client waits for, as a slow Redis must not hold it up; and
    after which a session without changes is saved again, so that Redis does not forget it."""

    save: float = 0.25
    commit: float = 0.1
    refresh: float = 20.0


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """A session that is saved, and who is told that another gateway has it."""

    state: SessionState
    on_taken: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Owner:
    """A gateway: its own id, and the host:port at which other gateways reach it."""

    id: str
    address: str = ""

    @classmethod
    def new(cls, address: str = "") -> "Owner":
        """An owner like no other."""
        return cls(uuid.uuid4().hex, address)

    @classmethod
    def read(cls, text: str) -> "Owner":
        """The owner that a checkpoint names."""
        name, _, address = text.partition(" ")
        return cls(name, address)

    def __str__(self) -> str:
        return f"{self.id} {self.address}".rstrip()


class CheckpointStore:
    """Saves the sessions of one gateway, which is `owner`."""

    def __init__(
        self, checkpoints: Checkpoints, owner: Owner, limits: CheckpointLimits | None = None
    ) -> None:
        self.owner = owner
        self._checkpoints, self._limits = checkpoints, limits or CheckpointLimits()
        self._watched: dict[str, WatchedSession] = {}
        self._refresh_at: dict[str, float] = {}
        self._unknown: set[str] = set()  # Sessions of which Redis has nothing.
        self._urgent: set[str] = set()  # Sessions whose clients wait for a save.
        self._leaving: set[str] = set()  # Sessions that are left to another gateway.
        self._wanted, self._saved = asyncio.Event(), asyncio.Event()
        self._saving = asyncio.Lock()  # What is saved later must not be overtaken.

    def watch(self, state: SessionState, on_taken: Callable[[], None]) -> None:
        """Save a session from now on; `on_taken` is called when another gateway has it."""
        self._watched[state.id] = WatchedSession(state, on_taken)
        self._unknown.add(state.id)

    def unwatch(self, session_id: str) -> None:
        """Save it no longer; what is in Redis stays for its time."""
        self._watched.pop(session_id, None)
        self._refresh_at.pop(session_id, None)
        self._unknown.discard(session_id)

    async def remove(self, session_id: str) -> None:
        """Delete a checkpoint: nobody can go on with the session."""
        self.unwatch(session_id)
        try:
            async with self._saving:  # A save on its way would write it again.
                await self._checkpoints.delete(session_id, str(self.owner))
        except RegistryUnavailable as error:
            log.debug("a checkpoint stays until its time: %s", error, session=session_id)

    async def keep_owner(self, session_id: str) -> None:
        """Keep of a checkpoint the owner alone: the session is over, and its last events are here."""
        self.unwatch(session_id)
        change = CheckpointChange(session_id, {}, complete=True)
        try:
            async with self._saving:
                await self._checkpoints.save(str(self.owner), [change])
        except RegistryUnavailable as error:
            log.debug("a checkpoint stays as it is: %s", error, session=session_id)

    async def run(self) -> None:
        """Save until cancelled: all of them four times a second, between that those that are waited for."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wanted.wait()
            if clock() < due:
                await self.save(self._urgent)
            else:
                due = clock() + self._limits.save
                await self.save(self._watched)

    async def commit(self, session_id: str) -> None:
        """Wait until all that is known now of a session is saved, but not for long."""
        if not self._checkpoints.available:
            return
        try:
            async with asyncio.timeout(self._limits.commit):
                saved = self._saved
                self._urgent.add(session_id)
                self._wanted.set()
                await saved.wait()
        except TimeoutError:
            log.debug("Redis takes long")

    async def save(self, session_ids: Iterable[str]) -> None:
        """Save what changed of these sessions, in calls of at most `MAX_CALL_BYTES` and one session."""
        async with self._saving:
            sessions = [self._watched[name] for name in session_ids if name in self._watched]
            saved, self._saved = self._saved, asyncio.Event()
            self._wanted.clear()
            self._urgent.clear()
            waiting = iter(sessions)
            while (changes := self._next_changes(waiting)) and await self._write(changes):
                pass
            saved.set()

    def _next_changes(self, sessions: Iterator[WatchedSession]) -> list[CheckpointChange]:
        """What is to be saved of the next sessions, as much as fits in one call."""
        changes, size, now = list[CheckpointChange](), 0, asyncio.get_running_loop().time()
        for session in sessions:
            if session.state.id in self._watched and (change := self._changes_of(session.state, now)):
                changes.append(change)
                size += sum(map(len, change.fields.values()))
                if size >= MAX_CALL_BYTES:
                    break
        return changes

    def _changes_of(self, state: SessionState, now: float) -> CheckpointChange | None:
        """What is to be saved of a session at the time `now`."""
        complete, leaves = state.id in self._unknown, state.id in self._leaving
        if complete:
            state.changes.mark_all_changed()
        elif not (leaves or state.changes.has_changes) and now < self._refresh_at.get(state.id, 0.0):
            return None
        state.snapshot()
        self._refresh_at[state.id] = now + self._limits.refresh
        fields, removed = state.changes.take_changes()
        return CheckpointChange(state.id, fields, removed, complete, gives_up=leaves)

    async def _write(self, changes: list[CheckpointChange]) -> bool:
        """Write changes; false where Redis is away, which then has to get all of these sessions."""
        watched = [self._watched[change.session_id] for change in changes]
        try:
            results = await self._checkpoints.save(str(self.owner), changes)
        except RegistryUnavailable:
            self._unknown.update(c.session_id for c in changes if c.session_id in self._watched)
            return False
        for change, session, result in zip(changes, watched, results, strict=True):
            self._unknown.discard(change.session_id)
            if result is SaveResult.UNKNOWN and change.session_id in self._watched:
                self._unknown.add(change.session_id)
            elif change.gives_up:
                self.unwatch(change.session_id)
                self._leaving.discard(change.session_id)
            elif result is SaveResult.TAKEN:
                self.unwatch(change.session_id)
                session.on_taken()
        return True

    async def hand_over(self, state: SessionState) -> None:
        """Save what Redis has not got of a session, and leave the session to whoever claims it.

        Those that are handed over at once share a call.
        """
        if state.id not in self._watched:
            self.watch(state, lambda: None)
        self._leaving.add(state.id)
        await asyncio.sleep(0)  # Others that leave in this turn of the loop.
        await self.save(self._leaving)
        if state.id in self._leaving:  # Redis had nothing of it, or was away: all of it is saved.
            await self.save(self._leaving)
        if state.id in self._leaving:
            self._leaving.discard(state.id)
            log.warning("a session is not handed over: Redis does not take it")
        self.unwatch(state.id)

    async def load(self, session_id: str) -> tuple[dict[str, bytes], str] | None:
        """The fields of a checkpoint and its owner; None where it is not known.

        Raises:
            RegistryUnavailable: Redis is away.
        """
        fields = await self._checkpoints.load(session_id)
        owner = fields.pop(OWNER, None)
        return None if owner is None else (fields, owner.decode(errors="replace"))

    async def claim(self, session_id: str, owner: str) -> bool:
        """Take a session over from `owner`; false if it has another one by now.

        Raises:
            RegistryUnavailable: Redis is away.
        """
        return await self._checkpoints.claim(session_id, owner, str(self.owner))

    async def close(self) -> None:
        """Close the connections."""
        await self._checkpoints.close()
