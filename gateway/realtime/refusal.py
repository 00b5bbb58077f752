"""Refuses clients whose WebSocket is not accepted, whichever protocol they speak."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.auth.errors import RequestRefused
from gateway.http import error_reply, no_capacity_reply
from gateway.realtime.connection_count import FULL, ConnectionCount


class ConnectionRefused(Exception):
    """The answer to a client that is not accepted."""

    def __init__(self, reply: Response) -> None:
        super().__init__()
        self.reply = reply


async def serve_or_refuse(serving: Awaitable[None], refuse: Callable[[Response], Awaitable[None]]) -> None:
    """Serve a client to its end; one that is not accepted gets what it is refused with."""
    with suppress(WebSocketDisconnect):  # A client that does not wait for the answer.
        try:
            await serving
        except InvalidParameter as error:
            await refuse(error_reply(400, "invalid_parameter", error.message, param=error.param))
        except (ConnectionRefused, RequestRefused) as refused:
            await refuse(refused.reply)


def restarting() -> ConnectionRefused:
    """For a client that comes while the gateway goes away."""
    return ConnectionRefused(error_reply(503, "restarting", "the gateway is going away"))


def check_connections(connections: ConnectionCount, retry_after: float) -> None:
    """Refuse a client for whom no connection is left.

    Raises:
        ConnectionRefused: there are as many as there may be.
    """
    if connections.is_full:
        raise ConnectionRefused(no_capacity_reply(FULL, retry_after))
