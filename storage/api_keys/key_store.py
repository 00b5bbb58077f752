"""Makes, lists and revokes API keys, and says in one look whether anything about them changed."""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.orm import Session as Unit

from storage.api_keys.api_key import ApiKey, KeyLimits, KeySnapshot, Scope, digest_of, new_secret
from storage.api_keys.tables import ApiKeyRecord, ApiKeyRevision
from storage.database import Database
from storage.times import utc_now

MAX_KEYS: Final = 10_000  # Keys that are not revoked: gateways hold all of them in memory, some MB.
MAX_NAME: Final = 100  # Characters of a key's name.


class TooManyKeys(Exception):
    """There are as many keys as there may be."""


class KeyStore:
    """The keys in one database; every method blocks, and may raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database, self._now = database, now

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        limits: KeyLimits | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; what is kept of it, and the key itself, which nobody can tell later.

        Raises:
            TooManyKeys: others have to be revoked first.
        """
        secret = new_secret()
        record = ApiKeyRecord(
            id=f"key_{secrets.token_hex(8)}",
            name=name[:MAX_NAME],
            digest=digest_of(secret),
            scopes=sorted(scopes),
            limits=msgspec.to_builtins(limits or KeyLimits()),
            created_at=self._now(),
            expires_at=expires_at,
        )
        with self.database.writing() as unit:
            _count_change(unit)
            held = select(func.count()).where(ApiKeyRecord.revoked_at.is_(None))
            if (unit.scalar(held) or 0) >= MAX_KEYS:
                raise TooManyKeys(f"there are {MAX_KEYS} keys; revoke some")
            unit.add(record)
        return _as_key(record), secret

    def revoke(self, key_id: str) -> bool:
        """Revoke a key; false where there is none that is valid."""
        table = ApiKeyRecord
        with self.database.writing() as unit:
            _count_change(unit)
            statement = update(table).where(table.id == key_id, table.revoked_at.is_(None))
            return (
                unit.execute(statement.values(revoked_at=self._now()).returning(table.id)).first() is not None
            )

    def list(self) -> list[ApiKey]:
        """All keys, the youngest first; those that are revoked too."""
        with self.database.reading() as connection:
            query = select(*ApiKeyRecord.__table__.columns).order_by(ApiKeyRecord.created_at.desc())
            return [_as_key(row) for row in connection.execute(query.limit(2 * MAX_KEYS))]

    def read(self, known: int | None) -> KeySnapshot | None:
        """The keys that are not revoked; None where nothing changed since the revision `known`."""
        with self.database.reading() as connection:
            revision = connection.scalar(select(ApiKeyRevision.revision))
            return None if revision == known else _snapshot(connection, revision or 0)

    def record_use(self, used: Mapping[str, datetime]) -> None:
        """Note when keys were used last."""
        with self.database.writing() as unit:
            for key_id, moment in used.items():
                statement = update(ApiKeyRecord).where(ApiKeyRecord.id == key_id)
                unit.execute(statement.values(last_used_at=moment))


def _count_change(unit: Unit) -> None:
    """First of all, so that those who change keys at once do it in turn."""
    unit.execute(update(ApiKeyRevision).values(revision=ApiKeyRevision.revision + 1))


def _snapshot(connection: Connection, revision: int) -> KeySnapshot:
    rows = connection.execute(
        select(*ApiKeyRecord.__table__.columns).where(ApiKeyRecord.revoked_at.is_(None)).limit(MAX_KEYS)
    )
    keys = tuple(_as_key(row) for row in rows)
    any_made = bool(keys) or connection.scalar(select(ApiKeyRecord.id).limit(1)) is not None
    return KeySnapshot(revision, keys, any_made)


def _as_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        digest=bytes(row.digest),
        scopes=frozenset(row.scopes),
        limits=msgspec.convert(row.limits, KeyLimits),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
