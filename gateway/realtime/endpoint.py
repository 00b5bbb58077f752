"""`WS /v1/audio/transcriptions/stream`: a connection in, refused before the upgrade or served."""

import re
from contextlib import suppress
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.http import error_reply, no_capacity_reply
from gateway.context import Gateway
from gateway.realtime.admission import admit, read_query
from gateway.realtime.forwarder import ForwardRefused, SessionForwarder
from gateway.sessions.session import Session
from gateway.sessions.session_manager import SessionManager

PATH: Final = "/v1/audio/transcriptions/stream"
TOKEN: Final = re.compile(r"([0-9a-f]{32}):([0-9]{1,9})")
AHEAD: Final = 500  # events that a client may have got and a gateway that was killed had not saved: partials


class ConnectionRefused(Exception):
    """The answer to a client that is not accepted."""

    def __init__(self, reply: Response) -> None:
        super().__init__()
        self.reply = reply


class StreamEndpoint:
    """The endpoint."""

    def __init__(self, gateway: Gateway, sessions: SessionManager) -> None:
        self._gateway, self._sessions = gateway, sessions

    async def __call__(self, client: WebSocket) -> None:
        """Judge the request, accept it, and serve it to its end."""
        with suppress(WebSocketDisconnect):  # a client that does not wait for the answer
            try:
                await self._serve(client)
            except InvalidParameter as error:
                reply = error_reply(400, "invalid_parameter", error.message, param=error.param)
                await self._refuse(client, reply)
            except ConnectionRefused as refused:
                await self._refuse(client, refused.reply)

    async def _serve(self, client: WebSocket) -> None:
        query = client.scope["query_string"]
        asked = read_query(query)
        resume = None if "resume" not in asked else parse_resume(asked["resume"])
        allowed = self._gateway.settings.overflow_allowed
        wish = None if resume else await admit(query, self._gateway.directory, allowed)
        if self._gateway.stopping.is_set():
            raise ConnectionRefused(error_reply(503, "restarting", "the gateway is going away"))
        if self._gateway.is_full:
            retry_after = self._gateway.settings.retry_after
            raise ConnectionRefused(no_capacity_reply("this gateway has no connection left", retry_after))
        with self._gateway.connection():
            if resume is not None:
                await self._resume(client, *resume)
            elif wish is not None:
                await client.accept()
                await self._sessions.serve(client, self._sessions.begin(wish))

    async def _resume(self, client: WebSocket, session_id: str, last_seq: int) -> None:
        session = self._sessions.find(session_id)
        if session is None:
            found = await self._find_elsewhere(client, session_id)
            if isinstance(found, SessionForwarder):
                await client.accept()
                await found.serve(client, self._gateway.stopping)
                return
            session = found
        if last_seq > session.outbox.seq + AHEAD:
            raise InvalidParameter("resume", f"the session has not had {last_seq} events")
        session.outbox.skip_to(last_seq)
        if not session.outbox.has_since(last_seq):
            raise ConnectionRefused(
                error_reply(404, "resume_too_late", f"what came after {last_seq} is not kept")
            )
        await client.accept()
        await self._sessions.resume(client, session, last_seq)

    async def _find_elsewhere(self, client: WebSocket, session_id: str) -> Session | SessionForwarder:
        """The session from the gateway that has it, if that lives; else what it left in Redis."""
        vault = self._gateway.vault
        try:
            fields = await vault.load(session_id)
            if not fields:
                raise _unknown()
            _, _, address = fields["owner"].decode().partition(" ")
            if address and address != vault.address and (relay := await self._relay(client, address)):
                return relay
            if "meta" not in fields:
                raise _unknown()
            session = await self._sessions.take_over(session_id, fields)
        except RegistryUnavailable as error:
            raise ConnectionRefused(error_reply(503, "registry_unavailable", str(error))) from None
        if session is None:
            raise ConnectionRefused(error_reply(503, "restarting", "the session moves to another gateway"))
        return session

    async def _relay(self, client: WebSocket, address: str) -> SessionForwarder | None:
        query = client.scope["query_string"].decode("ascii")
        kept = ("authorization",)
        headers = {name: value for name, value in client.headers.items() if name in kept}
        try:
            return await SessionForwarder.open(address, f"{PATH}?{query}", headers)
        except ForwardRefused as denied:
            if denied.status == 503:  # it is going away
                return None
            reply = Response(denied.body, denied.status, media_type="application/json")
            raise ConnectionRefused(reply) from None

    async def _refuse(self, client: WebSocket, reply: Response | JSONResponse) -> None:
        self._gateway.metrics.refused.labels(str(reply.status_code)).inc()
        await client.send_denial_response(reply)


def parse_resume(text: str) -> tuple[str, int]:
    """The session and the number of the last event that its client got.

    Raises:
        InvalidParameter: it is not `session_id:last_seq`.
    """
    match = TOKEN.fullmatch(text)
    if match is None:
        raise InvalidParameter("resume", "resume must be session_id:last_seq, as session.begin and seq say")
    return match[1], int(match[2])


def _unknown() -> ConnectionRefused:
    return ConnectionRefused(
        error_reply(404, "unknown_session", "no such session, or it was left too long ago")
    )
