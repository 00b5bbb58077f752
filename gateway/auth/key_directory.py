"""Holds all valid API keys in memory, and looks every second whether one was made or revoked.

So a check costs no query, a revocation holds within two seconds on every gateway, without Redis, and a
database that is away is survived for a while.
"""

import asyncio
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Final

from gateway.auth.errors import AuthUnavailable
from runtime.logs import get_logger
from storage.api_keys.api_key import ApiKey, digest_of
from storage.api_keys.key_store import KeyStore
from storage.database import DatabaseUnavailable
from storage.times import utc_now

log = get_logger(__name__)

POLL_S: Final = 1.0  # Seconds between two looks for changes.
HOLD_S: Final = 60.0  # Seconds for which what is known holds while the database is away.
LOOK_AGAIN_S: Final = 0.2  # Seconds from a look until a key that is not known is reason for another one.
USE_S: Final = 60.0  # Seconds between two writes of when keys were used last.


class KeyDirectory:
    """The keys of one database, as one gateway knows them; `clock` counts seconds."""

    def __init__(
        self, store: KeyStore, clock: Callable[[], float], now: Callable[[], datetime] = utc_now
    ) -> None:
        self.any_made = False  # Whether a key was ever made.
        self._store, self._clock, self._now = store, clock, now
        self._revision: int | None = None
        self._by_digest: dict[bytes, ApiKey] = {}
        self._by_id: dict[str, ApiKey] = {}
        self._looked_at = self._tried_at = float("-inf")  # The last look that succeeded, and the last one.
        self._trouble: str | None = "the database was not read yet"
        self._looking = asyncio.Lock()
        self._used: dict[str, datetime] = {}

    @property
    def is_known(self) -> bool:
        """Whether it is known, lately enough, which keys there are."""
        return self._clock() - self._looked_at <= HOLD_S

    def check_known(self) -> None:
        """Refuse everybody while it is not known which keys there are.

        Raises:
            AuthUnavailable: the database is away for too long, or was not read yet.
        """
        if not self.is_known:
            raise AuthUnavailable(f"credentials can't be checked now: {self._trouble}")

    async def find(self, secret: str) -> ApiKey | None:
        """The valid key that this is; one that is not known is looked for in the database.

        Raises:
            AuthUnavailable: the database is away.
        """
        digest = digest_of(secret)
        if digest not in self._by_digest:
            await self.look(LOOK_AGAIN_S)
        self.check_known()
        key = self._by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest) or not key.is_valid(self._now()):
            return None
        self._used[key.id] = self._now()
        return key

    def get(self, key_id: str) -> ApiKey | None:
        """The valid key with this id."""
        key = self._by_id.get(key_id)
        return key if key is not None and key.is_valid(self._now()) else None

    async def look(self, age: float = 0.0) -> None:
        """Learn of changes, unless that was done less than `age` seconds ago."""
        async with self._looking:
            if self._clock() - self._tried_at < age:
                return
            self._tried_at = self._clock()
            try:
                await self._read()
            except DatabaseUnavailable as error:
                self._note_trouble(str(error))
            else:
                self._looked_at, self._trouble = self._tried_at, None

    async def run(self) -> None:
        """Learn of changes, and write down what was used, until cancelled."""
        written = self._clock()
        while True:
            await self.look()
            if self._clock() - written >= USE_S:
                written = self._clock()
                await self.write_use()
            await asyncio.sleep(POLL_S)

    async def _read(self) -> None:
        found = await asyncio.to_thread(self._store.read, self._revision)
        if found is not None:
            self._revision, self.any_made = found.revision, found.any_made
            self._by_digest = {key.digest: key for key in found.keys}
            self._by_id = {key.id: key for key in found.keys}

    async def write_use(self) -> None:
        """Write down when keys were used last; what can't be written now is written later."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await asyncio.to_thread(self._store.record_use, used)
        except DatabaseUnavailable:
            self._used = used | self._used

    def _note_trouble(self, why: str) -> None:
        if self._trouble is None:
            log.warning("the keys can't be read; those that are known hold", seconds=HOLD_S, why=why)
        self._trouble = why
