"""Answers requests for short-lived tokens, which a browser may hold."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.api.operation import operation
from gateway.auth.principal import Principal
from gateway.auth.tokens import MAX_SESSION_S, MAX_TOKEN_S, MAX_TOKEN_USES, TokenMint
from gateway.http import Reply
from storage.times import as_iso


class NewTokenBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token that is wanted; `origin` is that of the only pages that may use it.

    Live sessions that are begun with it have this `model`, and at most `session_seconds`.
    """

    seconds: Annotated[int, Meta(ge=1, le=MAX_TOKEN_S)] = 60
    uses: Annotated[int, Meta(ge=1, le=MAX_TOKEN_USES)] = 1
    origin: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    session_seconds: Annotated[int, Meta(ge=1, le=MAX_SESSION_S)] | None = None


class TokenBody(msgspec.Struct, frozen=True):
    """A token, and when it expires."""

    token: str
    expires_at: str


class TokenApi:
    """The endpoint of tokens."""

    def __init__(self, mint: TokenMint) -> None:
        self._mint = mint

    @operation(
        "POST",
        "/v1/realtime/tokens",
        scope="transcribe",
        statuses={201: "the token"},
        errors={403: "who asks has no key"},
    )
    async def create_token(self, principal: Principal, body: NewTokenBody) -> TokenBody | Reply:
        """Make a short-lived token of the key that asks."""
        token, expires_at = self._mint.mint(
            principal,
            body.seconds,
            body.uses,
            origin=body.origin,
            model=body.model,
            session_seconds=body.session_seconds,
        )
        return Reply(TokenBody(token, as_iso(datetime.fromtimestamp(expires_at, UTC))), 201)
