"""Sessions in, what another gateway needs to go on with them kept in Redis, a few writes a second out."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import msgpack
import structlog
from redis.exceptions import RedisError

from broker.errors import RegistryUnavailable
from broker.store.connection import connect, keys_of
from broker.store.scripts import Scripts
from gateway.sessions.change_set import ChangeSet

log = structlog.stdlib.get_logger(__name__)

SAVE_S: Final = 0.25
COMMIT_S: Final = 0.1  # for what the client is to see; a Redis that is slower does not hold it up
LOAD_S: Final = 1.0
EXTRA_S: Final = 30  # for which it stays in Redis beyond the resume window
CONNECTIONS: Final = 2


class Checkpointed(Protocol):
    """A session that can be kept."""

    id: str
    ledger: ChangeSet

    def prepare(self) -> None:
        """Write into the ledger what is not there yet."""
        ...

    def taken_over(self) -> None:
        """Another gateway has the session."""
        ...


class CheckpointStore:
    """Saves the sessions of one gateway, all in one call; `owner` names the gateway, and its address."""

    def __init__(self, scripts: Scripts, url: str, window: float) -> None:
        self.owner = uuid.uuid4().hex
        self._scripts = scripts
        self._reader: Any = connect(url, CONNECTIONS, LOAD_S)
        self._keys = keys_of(url)
        self._ttl = int(window) + EXTRA_S
        self._sessions: dict[str, Checkpointed] = {}
        self._refresh: dict[str, float] = {}  # when a silent session has to be written again, to stay
        self._unknown: set[str] = set()  # nothing of them is in Redis
        self._wanted, self._saved = asyncio.Event(), asyncio.Event()
        self._urgent: set[str] = set()  # those whose clients wait for it

    def name_address(self, address: str) -> None:
        """Say under which host:port other gateways reach this one."""
        self.owner = f"{self.owner.split()[0]} {address}"

    @property
    def address(self) -> str:
        """The host:port of this gateway."""
        return self.owner.partition(" ")[2]

    def watch(self, session: Checkpointed) -> None:
        """Keep a session from now on."""
        self._sessions[session.id] = session
        self._unknown.add(session.id)

    def forget(self, session_id: str) -> None:
        """Keep it no longer; what is in Redis stays for its time."""
        self._sessions.pop(session_id, None)
        self._refresh.pop(session_id, None)
        self._unknown.discard(session_id)

    async def remove(self, session_id: str) -> None:
        """Nobody can go on with it."""
        self.forget(session_id)
        try:
            await self._scripts.run("unkeep", session_id, self.owner)
        except RegistryUnavailable as error:
            log.debug("session=%s stays until its time: %s", session_id, error)

    async def keep_owner(self, session_id: str) -> None:
        """It is over, and only its last events are of use, which this gateway has."""
        self.forget(session_id)
        try:
            await self._scripts.run("keep", self.owner, self._ttl, _packed([[session_id, "all", [], []]]))
        except RegistryUnavailable as error:
            log.debug("session=%s: %s", session_id, error)

    async def run(self) -> None:
        """Save until cancelled: all of them four times a second, between that those that are waited for."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wanted.wait()
            if clock() < due:
                await self.save([self._sessions[name] for name in self._urgent if name in self._sessions])
            else:
                due = clock() + SAVE_S
                await self.save()

    async def commit(self, session_id: str) -> None:
        """Wait until all that is known now of a session is saved, but not for long."""
        if not self._scripts.available:
            return
        try:
            async with asyncio.timeout(COMMIT_S):
                saved = self._saved
                self._urgent.add(session_id)
                self._wanted.set()
                await saved.wait()
        except TimeoutError:
            log.debug("Redis takes long")

    async def save(self, sessions: Sequence[Checkpointed] | None = None) -> None:
        """Save what changed of these sessions, or of all."""
        saved, self._saved = self._saved, asyncio.Event()
        self._wanted.clear()
        self._urgent.clear()
        batch: list[Checkpointed] = []
        kept: list[list[Any]] = []
        now = asyncio.get_running_loop().time()
        for session in list(self._sessions.values()) if sessions is None else sessions:
            if session.id in self._unknown:
                session.ledger.forget_saved()
            elif not session.ledger.dirty and now < self._refresh.get(session.id, 0.0):
                continue
            session.prepare()
            self._refresh[session.id] = now + self._ttl / 3
            if session.ledger.dirty:
                mode = "all" if session.id in self._unknown else "changes"
                fields, gone = session.ledger.take()
                kept.append([session.id, mode, [item for pair in fields.items() for item in pair], gone])
                batch.append(session)
        if batch:
            await self._write(batch, _packed(kept))
        saved.set()

    async def _write(self, batch: list[Checkpointed], packed: bytes) -> None:
        try:
            answers = await self._scripts.run("keep", self.owner, self._ttl, packed)
        except RegistryUnavailable:
            self._unknown.update(session.id for session in batch if session.id in self._sessions)
            return
        for session, answer in zip(batch, answers, strict=True):
            self._unknown.discard(session.id)
            if answer == "taken":
                self.forget(session.id)
                session.taken_over()
            elif answer == "unknown" and session.id in self._sessions:
                self._unknown.add(session.id)

    async def hand_over(self, session: Checkpointed) -> None:
        """Save all of it one last time, for whoever takes it over."""
        self.watch(session)
        await self.save()
        self.forget(session.id)
        try:
            await self._scripts.run("claim", session.id, self.owner, "", self._ttl)
        except RegistryUnavailable as error:
            log.warning("session=%s is not handed over: %s", session.id, error)

    async def load(self, session_id: str) -> dict[str, bytes]:
        """The fields of a session, with its `owner`; none where it is not known.

        Raises:
            RegistryUnavailable: Redis is away.
        """
        try:
            async with asyncio.timeout(LOAD_S):
                fields: dict[bytes, bytes] = await self._reader.execute_command(
                    "HGETALL", self._keys.resume(session_id), NEVER_DECODE=True
                )
        except (RedisError, OSError, TimeoutError) as error:
            raise RegistryUnavailable(f"Redis: {error}") from error
        return {name.decode(): value for name, value in _pairs(fields)}

    async def claim(self, session_id: str, owner: str) -> bool:
        """Take a session over from `owner`; false if it has another one by now."""
        return bool(await self._scripts.run("claim", session_id, owner, self.owner, self._ttl))

    async def close(self) -> None:
        """Close the connections."""
        await self._reader.aclose()


def _packed(sessions: list[list[Any]]) -> bytes:
    """One argument for them all: redis-py packs each by itself, in Python."""
    return bytes(msgpack.packb(sessions, use_bin_type=False))


def _pairs(fields: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(fields, dict):
        return list(fields.items())
    return list(zip(fields[::2], fields[1::2], strict=True))
