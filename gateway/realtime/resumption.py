"""Finds the session that a client comes back for: here, at the gateway that has it, or in Redis."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from broker.checkpoint_record import HEADER, BadCheckpoint, UnknownCheckpointVersion
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.auth.forwarded import forwarded_headers, forwarded_principal
from gateway.auth.principal import Principal
from gateway.http import STREAM_PATH, error_reply, unavailable_reply
from gateway.realtime.forwarder import ForwardRefused, SessionForwarder
from gateway.realtime.refusal import ConnectionRefused
from gateway.sessions.checkpoint_store import CheckpointStore, Owner
from gateway.sessions.resume_token import is_token_of, session_of
from gateway.sessions.session import Session
from gateway.sessions.session_manager import NotYours, SessionManager
from gateway.sessions.state import SessionState
from runtime.logs import get_logger

log = get_logger(__name__)

RESUME: Final = re.compile(r"([0-9a-f]{64}):([0-9]{1,9})")
# Partials are sent before they are checkpointed, so after a crash a client may be this many events ahead.
AHEAD: Final = 500


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """A client wants to go on with a session, behind the event `last_seq`."""

    session_id: str
    token: str
    last_seq: int
    principal: str

    def fits(self, state: SessionState) -> bool:
        """Whether the session is this principal's, and the token its own."""
        return state.principal == self.principal and is_token_of(self.token, state.token)


class SessionFinder:
    """Finds sessions for clients that come back; `retry_after` is in seconds.

    `secret` is shown to other gateways, so that they believe who the client is. `tls_ca` is the file of the
    CA that is trusted in other gateways, where it is not the system's.
    """

    def __init__(
        self,
        sessions: SessionManager,
        checkpoints: CheckpointStore,
        secret: str,
        retry_after: float,
        tls_ca: Path | None = None,
    ) -> None:
        self._sessions, self._checkpoints = sessions, checkpoints
        self._secret, self._retry_after, self._tls_ca = secret, retry_after, tls_ca

    def forwarded(self, connection: HTTPConnection) -> Principal | None:
        """On behalf of whom another gateway passes a client on, which has let them in; else None."""
        return forwarded_principal(connection, self._secret)

    async def locate(self, asked: ResumeRequest) -> Session | SessionForwarder:
        """The session if it is or can be here, else a way to the gateway that has it.

        Raises:
            ConnectionRefused: there is neither, or it is not the client's, who is not told which.
        """
        session_id = asked.session_id
        if known := self._sessions.find(session_id):
            if not asked.fits(known.state):
                raise _unknown()
            return known
        try:
            return await self._locate_elsewhere(asked)
        except NotYours:
            raise _unknown() from None
        except RegistryUnavailable as error:
            raise ConnectionRefused(error_reply(503, "registry_unavailable", str(error))) from None
        except UnknownCheckpointVersion as error:
            log.warning("a checkpoint is left alone: %s", error, session=session_id)
            reply = unavailable_reply("other_version", str(error), self._retry_after)
            raise ConnectionRefused(reply) from None
        except BadCheckpoint as error:
            log.error("a checkpoint is refused: %s", error, session=session_id)
            reply = error_reply(410, "session_unreadable", "what is kept of the session can't be read")
            raise ConnectionRefused(reply) from None

    async def _locate_elsewhere(self, asked: ResumeRequest) -> Session | SessionForwarder:
        """The session from the gateway that has it, if that lives; else what it left in Redis."""
        session_id = asked.session_id
        found = await self._checkpoints.load(session_id)
        if found is None:
            raise _unknown()
        fields, owner = found
        address = Owner.read(owner).address
        if address and address != self._checkpoints.owner.address:
            forwarder = await self._forward(asked, address)
            if forwarder is not None:
                return forwarder
        if HEADER not in fields:
            raise _unknown()
        session = await self._sessions.take_over(session_id, fields, owner, asked.fits)
        if session is None:
            raise ConnectionRefused(error_reply(503, "restarting", "the session moves to another gateway"))
        return session

    async def _forward(self, asked: ResumeRequest, address: str) -> SessionForwarder | None:
        path = f"{STREAM_PATH}?resume={asked.token}:{asked.last_seq}"
        try:
            headers = forwarded_headers(asked.principal, self._secret)
            return await SessionForwarder.open(address, path, headers, self._tls_ca)
        except ForwardRefused as refused:
            if refused.status == 503:  # It is going away.
                return None
            reply = Response(refused.body, refused.status, media_type="application/json")
            raise ConnectionRefused(reply) from None


def parse_resume(text: str, principal: Principal) -> ResumeRequest:
    """What a client that comes back asks for.

    Raises:
        InvalidParameter: it is not `resume_token:last_seq`.
    """
    match = RESUME.fullmatch(text)
    session_id = session_of(match[1]) if match else None
    if match is None or session_id is None:
        raise InvalidParameter("resume", "resume must be resume_token:last_seq, as session.begin and seq say")
    return ResumeRequest(session_id, match[1], int(match[2]), principal.id)


def check_position(session: Session, last_seq: int) -> None:
    """Refuse a client that is ahead of its session, or too far behind.

    Raises:
        InvalidParameter: the session has not had `last_seq` events.
        ConnectionRefused: what came after is not kept.
    """
    events = session.state.events
    if last_seq > events.seq + AHEAD:
        raise InvalidParameter("resume", f"the session has not had {last_seq} events")
    events.advance_to(last_seq)
    if not events.has_since(last_seq):
        raise ConnectionRefused(
            error_reply(404, "resume_too_late", f"what came after {last_seq} is not kept")
        )


def _unknown() -> ConnectionRefused:
    return ConnectionRefused(
        error_reply(404, "unknown_session", "no such session, or it was left too long ago")
    )
