"""`WS /v1/audio/transcriptions/stream`: a connection in, refused before the upgrade or served."""

from contextlib import suppress
from typing import Final

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.admission import admit
from gateway.context import Gateway
from gateway.replies import error_reply
from gateway.session import Session
from stages.errors import InvalidParameter

PATH: Final = "/v1/audio/transcriptions/stream"


class Stream:
    """The endpoint."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, client: WebSocket) -> None:
        """Judge the request, accept it, and serve it to its end."""
        with suppress(WebSocketDisconnect):  # a client that does not wait for the answer
            await self._serve(client)

    async def _serve(self, client: WebSocket) -> None:
        try:
            wish = await admit(client.scope["query_string"], self._gateway.directory)
        except InvalidParameter as error:
            reply = error_reply(400, "invalid_parameter", error.message, param=error.param)
            await self._refuse(client, reply)
            return
        if self._gateway.stopping.is_set():
            await self._refuse(client, error_reply(503, "restarting", "the gateway is going away"))
            return
        with self._gateway.connection():
            await client.accept()
            await Session(self._gateway, client, wish).run()

    async def _refuse(self, client: WebSocket, reply: JSONResponse) -> None:
        self._gateway.metrics.refused.labels(str(reply.status_code)).inc()
        await client.send_denial_response(reply)
