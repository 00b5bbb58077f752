"""Answers requests for API keys: makes one, lists them, revokes one."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from starlette.requests import Request

from broker.errors import RegistryUnavailable
from broker.usage import AccountUsage, UsageCounters
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.operation import ApiError, operation
from gateway.auth.principal import Principal
from gateway.auth.request_guard import RequestGuard
from gateway.http import Reply
from storage.api_keys.api_key import DEFAULT_SCOPES, ApiKey, KeyLimits, Scope
from storage.api_keys.key_store import MAX_NAME, KeyStore, TooManyKeys
from storage.times import as_iso

KEYS: Final = "/v1/keys"
AWAY: Final = "the database is away"
UNKNOWN: Final = "there is no such key, or it is revoked already"


class NewKeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """The key that is wanted."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
    scopes: Annotated[list[Scope], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: list(DEFAULT_SCOPES)
    )
    limits: KeyLimits = KeyLimits()
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class KeyUseBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a key uses: sessions now, and seconds of audio since midnight UTC."""

    sessions: int
    audio_seconds_today: float


class KeyBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key; `key` is the key itself, shown once, when it is made; without Redis there is no `use`."""

    key_id: str
    name: str
    scopes: list[Scope]
    limits: KeyLimits
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = None
    use: KeyUseBody | None = None
    key: str | None = None


class KeysBody(msgspec.Struct, frozen=True):
    """All keys, the youngest first."""

    keys: list[KeyBody]


class RevokedBody(msgspec.Struct, frozen=True):
    """A key that holds no more."""

    key_id: str
    revoked: bool


class KeyApi:
    """The endpoints of API keys."""

    def __init__(self, keys: KeyStore, guard: RequestGuard, counters: UsageCounters) -> None:
        self._keys, self._guard, self._counters = keys, guard, counters

    @operation("GET", KEYS, scope="admin", errors={503: AWAY})
    async def keys(self) -> KeysBody:
        """All keys, without their secrets."""
        found = await asyncio.to_thread(self._keys.list)
        return KeysBody(
            [described_key(key, use) for key, use in zip(found, await self._used_by(found), strict=True)]
        )

    async def _used_by(self, keys: list[ApiKey]) -> Sequence[AccountUsage | None]:
        try:
            return await self._counters.read([key.id for key in keys])
        except RegistryUnavailable:
            return [None] * len(keys)

    @operation(
        "POST",
        KEYS,
        scope="admin",
        statuses={201: "the key, which is shown this once"},
        errors={409: "there are as many keys as there may be", 503: AWAY},
    )
    async def create_key(self, principal: Principal, body: NewKeyBody, request: Request) -> KeyBody | Reply:
        """Make a key."""
        arguments = (body.name, set(body.scopes), body.limits, _expiry(body.expires_at))
        try:
            key, secret = await asyncio.to_thread(self._keys.create, *arguments)
        except TooManyKeys as error:
            raise ApiError(409, "too_many_keys", str(error)) from None
        await self._guard.authenticator.keys.look()
        await self._guard.record(request, "create_key", principal, key_id=key.id, key_name=key.name)
        return Reply(msgspec.structs.replace(described_key(key), key=secret), 201)

    @operation(
        "DELETE", KEYS + "/{key_id}", scope="admin", audited="revoke_key", errors={404: UNKNOWN, 503: AWAY}
    )
    async def revoke_key(self, key_id: str) -> RevokedBody:
        """Revoke a key; its sessions end."""
        if not await asyncio.to_thread(self._keys.revoke, key_id):
            raise ApiError(404, "unknown_key", UNKNOWN)
        await self._guard.authenticator.keys.look()
        return RevokedBody(key_id, revoked=True)


def _expiry(moment: datetime | None) -> datetime | None:
    """When a key expires, in UTC.

    Raises:
        InvalidParameter: it is no time to come that UTC has.
    """
    try:
        utc = None if moment is None else moment.astimezone(UTC)
    except OverflowError:
        raise InvalidParameter("expires_at", "expires_at must be before the year 10000 in UTC") from None
    if utc is not None and utc <= datetime.now(UTC):
        raise InvalidParameter("expires_at", "expires_at must be in the future")
    return utc


def described_key(key: ApiKey, used: AccountUsage | None = None) -> KeyBody:
    """A key as clients see it, and what it uses."""
    return KeyBody(
        key_id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        limits=key.limits,
        created_at=as_iso(key.created_at),
        expires_at=_as_iso(key.expires_at),
        revoked_at=_as_iso(key.revoked_at),
        last_used_at=_as_iso(key.last_used_at),
        use=None if used is None else KeyUseBody(sessions=used.sessions, audio_seconds_today=used.audio),
    )


def _as_iso(moment: datetime | None) -> str | None:
    return None if moment is None else as_iso(moment)
