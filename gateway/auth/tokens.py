"""Makes and checks short-lived tokens, which a key's owner gives to a browser in place of the key.

A token is signed, so a check needs no database. It holds for live sessions and files, no longer than its key.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec

from broker.errors import RegistryUnavailable
from broker.token_uses import TokenUses
from gateway.auth.errors import AuthUnavailable, Forbidden, Unauthorized
from gateway.auth.key_directory import KeyDirectory
from gateway.auth.principal import Principal
from gateway.auth.request_facts import RequestFacts

TOKEN_START: Final = "ek_"  # noqa: S105 - what every token begins with; clients of OpenAI demand it
SKEW_S: Final = 60  # Seconds by which the clocks of two gateways may differ: a token holds so much longer.
MAX_TOKEN_S: Final = 3600  # Seconds of a token's life at most: longer-lived programs have keys.
MAX_TOKEN_USES: Final = 1000  # Uses of one token at most: its uses are kept one by one in Redis.
MAX_SESSION_S: Final = (
    86_400  # Seconds to which a token may bound its sessions: the server's own bound is less.
)
PURPOSE: Final = b"dalston token 1"  # Keeps this signature apart from other uses of the secret.
DOES_NOT_HOLD: Final = "this token does not hold"


class TokenClaims(msgspec.Struct, frozen=True, array_like=True):
    """What a token says; `expires_at` is in seconds since 1970.

    `session` is JSON: what its sessions are. They have the `model`, and last `session_seconds` at most.
    """

    token_id: str
    key_id: str
    expires_at: float
    uses: int
    origin: str | None = None
    session: str | None = None
    model: str | None = None
    session_seconds: int | None = None


class TokenMint:
    """Makes and checks the tokens of all gateways that have the same `secret`; `now` is the time of day."""

    def __init__(
        self, secret: str, keys: KeyDirectory, uses: TokenUses, now: Callable[[], float] = time.time
    ) -> None:
        self._signing_key = hmac.digest(secret.encode(), PURPOSE, "sha256")
        self._keys, self._uses, self._now = keys, uses, now

    def mint(
        self,
        principal: Principal,
        seconds: int,
        uses: int = 1,
        origin: str | None = None,
        session: str | None = None,
        *,
        model: str | None = None,
        session_seconds: int | None = None,
    ) -> tuple[str, float]:
        """A token of this principal, and when it expires, in seconds since 1970.

        With it there are live sessions of the `model` alone, of at most `session_seconds` each.

        Raises:
            Forbidden: the principal is no key with the scope `transcribe`.
        """
        principal.require("transcribe")
        if principal.is_token or self._keys.get(principal.id) is None:
            raise Forbidden("a token is made with a key")
        expires_at = self._now() + seconds
        bounds = origin, session, model, session_seconds
        claims = TokenClaims(secrets.token_urlsafe(12), principal.id, expires_at, uses, *bounds)
        body = msgspec.json.encode(claims)
        return TOKEN_START + _encoded(body) + "." + _encoded(self._signature(body)), expires_at

    def recognizes(self, credential: str) -> bool:
        """Whether a credential has the form of a token."""
        return credential.startswith(TOKEN_START)

    async def verify(self, credential: str, facts: RequestFacts) -> Principal:
        """Who has the token; counts one use.

        Raises:
            Unauthorized: it is forged, expired or used up, or its key holds no more.
            Forbidden: it was made for pages of another origin.
            AuthUnavailable: its key or its uses can't be known now.
        """
        claims = self._read(credential)
        remaining = claims.expires_at + SKEW_S - self._now()
        self._keys.check_known()
        key = self._keys.get(claims.key_id)
        if remaining <= 0 or key is None:
            raise Unauthorized("this token has expired, or its key holds no more")
        if claims.origin is not None and claims.origin != facts.origin:
            raise Forbidden("this token is for pages of another origin")
        await self._count_use(claims, remaining)
        return Principal(
            key.id,
            key.name,
            key.scopes & {"transcribe"},
            key.limits,
            is_token=True,
            session=claims.session,
            model=claims.model,
            session_seconds=claims.session_seconds,
        )

    async def _count_use(self, claims: TokenClaims, remaining: float) -> None:
        try:
            may_use = await self._uses.count(claims.token_id, claims.uses, remaining)
        except RegistryUnavailable:
            raise AuthUnavailable("the uses of tokens can't be counted now") from None
        if not may_use:
            raise Unauthorized("this token was used as often as it may be")

    def _read(self, credential: str) -> TokenClaims:
        body, _, signature = credential.removeprefix(TOKEN_START).partition(".")
        try:
            signed = _decoded(body)
            if not hmac.compare_digest(_decoded(signature), self._signature(signed)):
                raise Unauthorized(DOES_NOT_HOLD)
            return msgspec.json.decode(signed, type=TokenClaims)
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise Unauthorized(DOES_NOT_HOLD) from None

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._signing_key, body, "sha256")


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
