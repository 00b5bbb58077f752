"""Answers the calls with which clients of other services get a short-lived token for a browser."""

import uuid
from collections.abc import Mapping
from math import floor
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.operation import operation
from gateway.api.vendor_files import deepgram_key, elevenlabs_key
from gateway.auth.principal import Principal
from gateway.auth.tokens import MAX_TOKEN_S, TokenMint

SECRET_S: Final = 600  # Seconds that a client secret of OpenAI's lives where nobody says how long.
GRANT_S: Final = 30  # Seconds that a token of Deepgram's lives where nobody says how long.
SINGLE_USE_S: Final = 900  # Seconds that a single-use token of ElevenLabs' lives.
REPEATED: Final = 100  # Uses of a token that those services let be used until it expires.
MAX_SESSION_CHARS: Final = 2_048  # Characters of a session in a client secret: it is sent in a header.
NO_KEY: Final = {403: "who asks has no key"}
ASKED_WRONG: Final = {**NO_KEY, 400: "the session can't be had"}

Seconds = Annotated[int, Meta(ge=1, le=MAX_TOKEN_S)]


class SecretLife(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client secret lives."""

    seconds: Seconds = SECRET_S
    anchor: str = "created_at"


class ClientSecretRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The client secret that is wanted; its sessions are what `session` says, until they are updated."""

    expires_after: SecretLife = SecretLife()
    session: dict[str, Any] = {}


class TranscriptionSessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The session that is wanted, which those of the secret are until they are updated."""

    input_audio_format: Any | UnsetType = UNSET
    input_audio_transcription: Any | UnsetType = UNSET
    turn_detection: Any | UnsetType = UNSET
    input_audio_noise_reduction: Any | UnsetType = UNSET
    include: Any | UnsetType = UNSET


class SecretValue(msgspec.Struct, frozen=True, kw_only=True):
    """A secret, and when it expires, in seconds since 1970."""

    value: str
    expires_at: int


class SecretSession(msgspec.Struct, frozen=True, kw_only=True):
    """The session that a secret is for, with what will be in force."""

    id: str
    audio: dict[str, Any]
    include: None = None
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
    input_audio_format: str
    input_audio_transcription: dict[str, Any]
    turn_detection: dict[str, Any] | None
    input_audio_noise_reduction: None = None
    include: None = None
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


class SessionDescriber(Protocol):
    """Says what will be in force of a session of OpenAI's that is asked for."""

    def __call__(self, session: Mapping[str, Any], *, flat: bool) -> dict[str, Any]:
        """What will be in force, `flat` in the form of the beta, or `InvalidParameter`."""


class VendorTokenApi:
    """The endpoints of the tokens of other services; all of them are tokens of ours."""

    def __init__(self, mint: TokenMint, describe_session: SessionDescriber) -> None:
        self._mint, self._describe_session = mint, describe_session

    @operation(
        "POST", "/v1/realtime/client_secrets", scope="transcribe", needs_body=False, errors=ASKED_WRONG
    )
    async def create_client_secret(self, principal: Principal, body: ClientSecretRequest) -> ClientSecretBody:
        """Make a short-lived token, as OpenAI does."""
        shown = self._describe_session(body.session, flat=False)
        value, expires_at = self._mint_for(principal, body.expires_after.seconds, body.session)
        session = SecretSession(id=_session_id(), audio=shown["audio"])
        return ClientSecretBody(value=value, expires_at=floor(expires_at), session=session)

    @operation(
        "POST",
        "/v1/realtime/transcription_sessions",
        scope="transcribe",
        needs_body=False,
        errors=ASKED_WRONG,
    )
    async def create_transcription_session(
        self, principal: Principal, body: TranscriptionSessionRequest
    ) -> TranscriptionSessionBody:
        """Make a short-lived token, as the beta of OpenAI's interface does."""
        asked = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        shown = self._describe_session(asked, flat=True)
        value, expires_at = self._mint_for(principal, SECRET_S, asked)
        secret = SecretValue(value=value, expires_at=floor(expires_at))
        return TranscriptionSessionBody(id=_session_id(), **(shown | {"client_secret": secret}))

    def _mint_for(self, principal: Principal, seconds: int, session: Mapping[str, Any]) -> tuple[str, float]:
        """A token that carries what its sessions are; it goes into a header, where not much has room."""
        said = msgspec.json.encode(session).decode() if session else None
        if said is not None and len(said) > MAX_SESSION_CHARS:
            text = f"session has {len(said)} characters; a secret carries at most {MAX_SESSION_CHARS}"
            raise InvalidParameter("session", text)
        return self._mint.mint(principal, seconds, REPEATED, session=said)

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
