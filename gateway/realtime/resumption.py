"""Finds the session that a client comes back for: here, at the gateway that has it, or in Redis."""

import re
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.websockets import WebSocket

from broker.checkpoint_record import HEADER, BadCheckpoint, UnknownCheckpointVersion
from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.http import STREAM_PATH, error_reply, unavailable_reply
from gateway.realtime.forwarder import ForwardRefused, SessionForwarder
from gateway.sessions.checkpoint_store import CheckpointStore, Owner
from gateway.sessions.session import Session
from gateway.sessions.session_manager import SessionManager
from runtime.logs import get_logger

log = get_logger(__name__)

TOKEN: Final = re.compile(r"([0-9a-f]{32}):([0-9]{1,9})")
# Partials are sent before they are checkpointed, so after a crash a client may be this many events ahead.
AHEAD: Final = 500


class ConnectionRefused(Exception):
    """The answer to a client that is not accepted."""

    def __init__(self, reply: Response) -> None:
        super().__init__()
        self.reply = reply


class SessionFinder:
    """Finds sessions for clients that come back; `retry_after` is in seconds.

    `tls_ca` is the file of the CA that is trusted in other gateways, where it is not the system's.
    """

    def __init__(
        self,
        sessions: SessionManager,
        checkpoints: CheckpointStore,
        retry_after: float,
        tls_ca: Path | None = None,
    ) -> None:
        self._sessions, self._checkpoints, self._retry_after = sessions, checkpoints, retry_after
        self._tls_ca = tls_ca

    async def locate(self, client: WebSocket, session_id: str) -> Session | SessionForwarder:
        """The session if it is or can be here, else a way to the gateway that has it.

        Raises:
            ConnectionRefused: there is neither.
        """
        if known := self._sessions.find(session_id):
            return known
        try:
            return await self._locate_elsewhere(client, session_id)
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

    async def _locate_elsewhere(self, client: WebSocket, session_id: str) -> Session | SessionForwarder:
        """The session from the gateway that has it, if that lives; else what it left in Redis."""
        found = await self._checkpoints.load(session_id)
        if found is None:
            raise _unknown()
        fields, owner = found
        address = Owner.read(owner).address
        if address and address != self._checkpoints.owner.address:
            forwarder = await self._forward(client, address)
            if forwarder is not None:
                return forwarder
        if HEADER not in fields:
            raise _unknown()
        session = await self._sessions.take_over(session_id, fields, owner)
        if session is None:
            raise ConnectionRefused(error_reply(503, "restarting", "the session moves to another gateway"))
        return session

    async def _forward(self, client: WebSocket, address: str) -> SessionForwarder | None:
        query = client.scope["query_string"].decode("ascii")
        headers = {name: value for name, value in client.headers.items() if name == "authorization"}
        try:
            return await SessionForwarder.open(address, f"{STREAM_PATH}?{query}", headers, self._tls_ca)
        except ForwardRefused as refused:
            if refused.status == 503:  # It is going away.
                return None
            reply = Response(refused.body, refused.status, media_type="application/json")
            raise ConnectionRefused(reply) from None


def parse_resume(text: str) -> tuple[str, int]:
    """The session and the number of the last event that its client got.

    Raises:
        InvalidParameter: it is not `session_id:last_seq`.
    """
    match = TOKEN.fullmatch(text)
    if match is None:
        raise InvalidParameter("resume", "resume must be session_id:last_seq, as session.begin and seq say")
    return match[1], int(match[2])


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
