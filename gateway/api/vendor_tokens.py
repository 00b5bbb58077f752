"""Answers the calls with which clients of other services get a short-lived token for a browser."""

import uuid
from math import floor
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from gateway.api.operation import operation
from gateway.api.vendor_files import deepgram_key, elevenlabs_key
from gateway.auth.principal import Principal
from gateway.auth.tokens import MAX_TOKEN_S, TokenMint

SECRET_S: Final = 600  # Seconds that a client secret of OpenAI's lives where nobody says how long.
GRANT_S: Final = 30  # Seconds that a token of Deepgram's lives where nobody says how long.
SINGLE_USE_S: Final = 900  # Seconds that a single-use token of ElevenLabs' lives.
REPEATED: Final = 100  # Uses of a token that those services let be used until it expires.
NO_KEY: Final = {403: "who asks has no key"}

Seconds = Annotated[int, Meta(ge=1, le=MAX_TOKEN_S)]


class SecretLife(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client secret lives."""

    seconds: Seconds = SECRET_S
    anchor: str = "created_at"


class ClientSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client secret that is wanted; what `session` says has to be said again on the connection."""

    expires_after: SecretLife = SecretLife()
    session: dict[str, Any] = {}


class TranscriptionSessionRequest(msgspec.Struct, frozen=True):
    """The session that is wanted; all that it says has to be said again on the connection."""


class SecretValue(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, and when it expires, in seconds since 1970."""

    value: str
    expires_at: int


class SecretSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session that a secret is for."""

    id: str
    object: str = "realtime.transcription_session"
    type: str = "transcription"


class ClientSecretBody(msgspec.Struct, frozen=True, kw_only=True):
    """A client secret as OpenAI gives it."""

    value: str
    expires_at: int
    session: SecretSession


class TranscriptionSessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """A session as the beta of OpenAI's interface gives it, with its client secret."""

    id: str
    client_secret: SecretValue
    object: str = "realtime.transcription_session"


class GrantRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The token that a client of Deepgram wants."""

    ttl_seconds: Seconds = GRANT_S


class GrantBody(msgspec.Struct, frozen=True, kw_only=True):
    """A token as Deepgram gives it; it expires in so many seconds."""

    access_token: str
    expires_in: int


class SingleUseTokenBody(msgspec.Struct, frozen=True, kw_only=True):
    """A token as ElevenLabs gives it."""

    token: str


class VendorTokenApi:
    """The endpoints of the tokens of other services; all of them are tokens of ours."""

    def __init__(self, mint: TokenMint) -> None:
        self._mint = mint

    @operation("POST", "/v1/realtime/client_secrets", scope="transcribe", needs_body=False, errors=NO_KEY)
    async def create_client_secret(self, principal: Principal, body: ClientSecretRequest) -> ClientSecretBody:
        """Make a short-lived token, as OpenAI does."""
        value, expires_at = self._mint.mint(principal, body.expires_after.seconds, REPEATED)
        session = SecretSession(id=_session_id())
        return ClientSecretBody(value=value, expires_at=floor(expires_at), session=session)

    @operation(
        "POST", "/v1/realtime/transcription_sessions", scope="transcribe", needs_body=False, errors=NO_KEY
    )
    async def create_transcription_session(
        self, principal: Principal, body: TranscriptionSessionRequest
    ) -> TranscriptionSessionBody:
        """Make a short-lived token, as the beta of OpenAI's interface does."""
        value, expires_at = self._mint.mint(principal, SECRET_S, REPEATED)
        secret = SecretValue(value=value, expires_at=floor(expires_at))
        return TranscriptionSessionBody(id=_session_id(), client_secret=secret)

    @operation(
        "POST",
        "/v1/auth/grant",
        scope="transcribe",
        credential=deepgram_key,
        needs_body=False,
        errors=NO_KEY,
    )
    async def grant(self, principal: Principal, body: GrantRequest) -> GrantBody:
        """Make a short-lived token, as Deepgram does."""
        token, _ = self._mint.mint(principal, body.ttl_seconds, REPEATED)
        return GrantBody(access_token=token, expires_in=body.ttl_seconds)

    @operation(
        "POST",
        "/v1/single-use-token/realtime_scribe",
        scope="transcribe",
        credential=elevenlabs_key,
        errors=NO_KEY,
    )
    async def create_single_use_token(self, principal: Principal) -> SingleUseTokenBody:
        """Make a token for one session, as ElevenLabs does."""
        token, _ = self._mint.mint(principal, SINGLE_USE_S)
        return SingleUseTokenBody(token=token)


def _session_id() -> str:
    return f"sess_{uuid.uuid4().hex}"
