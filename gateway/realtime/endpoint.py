"""Serves the path of the stream: refuses a client before the upgrade, or serves it to its end."""

import asyncio
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response
from starlette.websockets import WebSocket

from dalston_realtime.protocol.parameters import SessionConfig
from gateway.auth.credentials import selected_subprotocol
from gateway.auth.principal import Principal
from gateway.auth.request_guard import RequestGuard
from gateway.metrics import GatewayMetrics
from gateway.realtime.admission import Admission, read_query
from gateway.realtime.connection import ClientConnection
from gateway.realtime.connection_count import ConnectionCount
from gateway.realtime.forwarder import SessionForwarder
from gateway.realtime.refusal import check_connections, restarting, serve_or_refuse
from gateway.realtime.resumption import (
    ResumeRequest,
    SessionFinder,
    check_position,
    parse_resume,
)
from gateway.sessions.port import SessionPort
from gateway.sessions.session_manager import SessionManager
from runtime.logs import bind_session


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Seconds to get the last results to a client, and until one that is refused may try again."""

    flush_timeout: float = 10.0
    retry_after: float = 5.0


class StreamEndpoint:
    """Serves each client that connects."""

    def __init__(
        self,
        guard: RequestGuard,
        sessions: SessionManager,
        admission: Admission,
        finder: SessionFinder,
        connections: ConnectionCount,
        metrics: GatewayMetrics,
        limits: EndpointLimits,
    ) -> None:
        self._guard = guard
        self._sessions, self._admission, self._finder = sessions, admission, finder
        self._connections, self._metrics, self._limits = connections, metrics, limits
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Refuse new clients, and let go of those whose session is at another gateway."""
        self._stopping.set()

    async def __call__(self, client: WebSocket) -> None:
        """Judge the request, accept it, and serve it to its end."""
        await serve_or_refuse(self._answer(client), partial(self._refuse, client))

    async def _answer(self, client: WebSocket) -> None:
        query = read_query(client.scope["query_string"])
        principal = await self._principal_of(client, resumes="resume" in query)
        resume = parse_resume(query["resume"], principal) if "resume" in query else None
        config = None if resume else await self._admission.admit(_of_model(query, principal))
        if self._stopping.is_set():
            raise restarting()
        check_connections(self._connections, self._limits.retry_after)
        with self._connections.counted():
            if resume is not None:
                await self._resume(client, resume)
            elif config is not None:
                await self._begin(client, principal, config)

    async def _principal_of(self, client: WebSocket, *, resumes: bool) -> Principal:
        forwarded = self._finder.forwarded(client) if resumes else None
        return forwarded or await self._guard.admit(client, "transcribe")

    async def _begin(self, client: WebSocket, principal: Principal, config: SessionConfig) -> None:
        lease = await self._sessions.reserve(principal)
        try:
            await client.accept(selected_subprotocol(client))
        except BaseException:
            lease.release()
            raise
        await self._serve(client, self._sessions.begin(config, principal, lease))

    async def _resume(self, client: WebSocket, asked: ResumeRequest) -> None:
        found = await self._finder.locate(asked)
        if isinstance(found, SessionForwarder):
            await client.accept(selected_subprotocol(client))
            await found.serve(client, self._stopping)
            return
        check_position(found, asked.last_seq)
        await client.accept(selected_subprotocol(client))
        await self._serve(client, await self._sessions.resume(found, asked.token, asked.last_seq))

    async def _serve(self, client: WebSocket, port: SessionPort) -> None:
        bind_session(port.session_id)
        await ClientConnection(client, port, self._limits.flush_timeout).serve()

    async def _refuse(self, client: WebSocket, reply: Response) -> None:
        self._metrics.refused.labels(str(reply.status_code)).inc()
        await client.send_denial_response(reply)


def _of_model(query: dict[str, str], principal: Principal) -> dict[str, str]:
    """The parameters, with the model that the principal's token is for."""
    model = principal.choose_model(query.get("model"))
    return query if model is None else query | {"model": model}
