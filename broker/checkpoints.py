"""Saves the checkpoints of sessions in Redis, as bytes, and hands them from one gateway to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgpack

from broker.store.connection import keys_of
from broker.store.hash_reader import HashReader
from broker.store.scripts import Scripts


class SaveResult(StrEnum):
    """What became of one session's changes.

    - SAVED: Redis has them.
    - UNKNOWN: Redis has nothing that they could change; send all fields of the session.
    - TAKEN: the session belongs to another gateway; nothing was written.
    """

    SAVED = "saved"
    UNKNOWN = "unknown"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class CheckpointChange:
    """Fields to write and names of fields to remove.

    `complete` says that these fields are all that the session has: what Redis had before is deleted first.
    `gives_up` leaves the session to whoever claims it.
    """

    session_id: str
    fields: Mapping[str, bytes]
    removed: Sequence[str] = ()
    complete: bool = False
    gives_up: bool = False

    def packable(self) -> list[object]:
        """The same as checkpoint_save.lua reads it."""
        mode = "all" if self.complete else "changes"
        return [
            self.session_id,
            mode,
            [item for pair in self.fields.items() for item in pair],
            list(self.removed),
            self.gives_up,
        ]


class Checkpoints:
    """The checkpoints of all gateways. Every call may raise `RegistryUnavailable` within about a second.

    A checkpoint has an owner, a string that names one gateway: only its owner may change or delete it. The
    owner "" means that the gateway has given the session up, so that another gateway may claim it.
    """

    def __init__(self, scripts: Scripts, url: str, ttl: int) -> None:
        """Use the Redis at `url`, as `scripts` does; a checkpoint lives `ttl` seconds from its last write.

        Raises:
            StartupError: `url` is none that can be used.
        """
        self._scripts, self._reader = scripts, HashReader(url)
        self._keys, self._ttl = keys_of(url), ttl

    @property
    def available(self) -> bool:
        """Whether Redis answered the last call."""
        return self._scripts.available

    async def save(self, owner: str, changes: Sequence[CheckpointChange]) -> list[SaveResult]:
        """Save the changes of several sessions in one call; the results are in the order of `changes`."""
        packed = msgpack.packb([change.packable() for change in changes], use_bin_type=False)
        answers = await self._scripts.run("checkpoint_save", owner, self._ttl, packed)
        return [SaveResult(answer) for answer in answers]

    async def load(self, session_id: str) -> dict[str, bytes]:
        """The fields of a session, its `owner` among them; an empty dict where the session is not known."""
        return await self._reader.read(self._keys.checkpoint(session_id))

    async def claim(self, session_id: str, from_owner: str, to_owner: str) -> bool:
        """Make `to_owner` the owner if `from_owner` still is; whether that was so."""
        return bool(await self._scripts.run("checkpoint_claim", session_id, from_owner, to_owner, self._ttl))

    async def delete(self, session_id: str, owner: str) -> None:
        """Delete a session's checkpoint if `owner` owns it: nobody can go on with the session."""
        await self._scripts.run("checkpoint_delete", session_id, owner)

    async def close(self) -> None:
        """Close the reader's connections; those of `scripts` belong to whoever made them."""
        await self._reader.close()
