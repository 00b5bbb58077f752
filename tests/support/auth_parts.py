"""Makes authenticators, keys and requests for tests, without a server."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import cast

from starlette.requests import HTTPConnection

from gateway.auth.authenticator import Authenticator, TokenVerifier
from gateway.auth.key_directory import KeyDirectory
from gateway.auth.request_facts import RequestFacts
from gateway.auth.request_guard import RequestGuard
from storage.api_keys.api_key import SCOPES, ApiKey, KeyLimits, KeySnapshot, Scope, digest_of, new_secret
from storage.api_keys.key_store import KeyStore
from storage.database import DatabaseUnavailable

LOOPBACK = RequestFacts(host="localhost:8000", address="127.0.0.1")


class MemoryKeys:
    """The keys of a database, without one; `trouble` has the database away."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}
        self.revision = 1
        self.looks = self.tries = 0
        self.trouble = ""
        self.used: dict[str, datetime] = {}

    def create(
        self,
        name: str = "test",
        scopes: Collection[Scope] = SCOPES,
        limits: KeyLimits | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key."""
        secret = new_secret()
        key = ApiKey(
            id=f"key_{len(self.keys)}",
            name=name,
            digest=digest_of(secret),
            scopes=frozenset(scopes),
            limits=limits or KeyLimits(),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            expires_at=expires_at,
        )
        self.keys[key.id] = key
        self.revision += 1
        return key, secret

    def revoke(self, key_id: str) -> bool:
        """Revoke a key."""
        self.revision += 1
        return self.keys.pop(key_id, None) is not None

    def read(self, known: int | None) -> KeySnapshot | None:
        """What changed."""
        self.tries += 1
        if self.trouble:
            raise DatabaseUnavailable(self.trouble)
        self.looks += 1
        if known == self.revision:
            return None
        return KeySnapshot(self.revision, tuple(self.keys.values()), self.revision > 1)

    def record_use(self, used: dict[str, datetime]) -> None:
        """Note it."""
        if self.trouble:
            raise DatabaseUnavailable(self.trouble)
        self.used |= used


class KeyTime:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def clock(self) -> float:
        """Seconds."""
        return self.seconds

    def now(self) -> datetime:
        """The time of day."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


def key_directory(keys: MemoryKeys | None = None, time: KeyTime | None = None) -> KeyDirectory:
    """What a gateway knows of these keys."""
    time = time or KeyTime()
    return KeyDirectory(cast(KeyStore, keys or MemoryKeys()), time.clock, time.now)


def authenticator(
    keys: MemoryKeys | None = None,
    *,
    time: KeyTime | None = None,
    open_to_local: bool = True,
    is_off: bool = False,
    tokens: TokenVerifier | None = None,
) -> Authenticator:
    """An authenticator with these keys; without any it is open to the user of this machine."""
    directory = key_directory(keys, time)
    return Authenticator(directory, open_to_local=open_to_local, is_off=is_off, tokens=tokens)


def open_guard() -> RequestGuard:
    """Lets in whoever asks, as the user of this machine."""
    return RequestGuard(authenticator(is_off=True))


def connection(
    *headers: tuple[str, str],
    query: str = "",
    subprotocols: Collection[str] = (),
    client: str = "127.0.0.1",
) -> HTTPConnection:
    """A WebSocket as the server hands it in."""
    return HTTPConnection(
        {
            "type": "websocket",
            "path": "/",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "query_string": query.encode(),
            "subprotocols": list(subprotocols),
            "client": (client, 1),
        }
    )
