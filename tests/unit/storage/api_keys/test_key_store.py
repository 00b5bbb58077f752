"""Keys are kept as hashes, and every change of them is seen in one number."""

from datetime import UTC, datetime

from sqlalchemy import text

from storage.api_keys.api_key import ApiKey, KeyLimits, digest_of
from storage.api_keys.key_store import KeyStore
from storage.database import Database

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)


def store_of(database: Database) -> KeyStore:
    return KeyStore(database, now=lambda: NOW)


def test_a_key_is_shown_once_and_kept_as_a_hash(database: Database) -> None:
    store = store_of(database)
    key, secret = store.create("phone", ["transcribe"], KeyLimits(sessions=3), LATER)
    assert secret.startswith("dk_")
    assert len(secret) == len("dk_") + 43  # 256 bits
    expected = ApiKey(
        id=key.id,
        name="phone",
        digest=digest_of(secret),
        scopes=frozenset({"transcribe"}),
        limits=KeyLimits(sessions=3),
        created_at=NOW,
        expires_at=LATER,
    )
    assert store.list() == [key] == [expected]
    with database.reading() as connection:
        row = connection.execute(text("SELECT * FROM api_keys")).one()
    assert secret not in str(row)
    assert secret.removeprefix("dk_") not in str(row)


def test_a_look_says_whether_anything_changed(database: Database) -> None:
    store = store_of(database)
    first = store.read(None)
    assert first is not None
    assert (first.keys, first.any_made) == ((), False)
    assert store.read(first.revision) is None
    key, _ = store.create("a", ["admin"])
    second = store.read(first.revision)
    assert second is not None
    assert (second.keys, second.any_made) == ((key,), True)
    store.record_use({key.id: LATER})
    assert store.read(second.revision) is None
    assert store.list()[0].last_used_at == LATER


def test_a_revoked_key_stays_in_the_list_and_counts_as_made(database: Database) -> None:
    store = store_of(database)
    key, _ = store.create("a", ["admin"])
    assert store.revoke(key.id)
    assert not store.revoke(key.id)
    assert not store.revoke("unknown")
    found = store.read(None)
    assert found is not None
    assert (found.keys, found.any_made) == ((), True)
    assert [each.revoked_at for each in store.list()] == [NOW]
