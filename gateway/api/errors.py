"""Answers the requests that no route takes, and those that the framework refuses."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket

from gateway.http import Reply, error_reply

CODES: Final = {404: "not_found", 405: "method_not_allowed", 426: "upgrade_required"}


async def http_error(request: Request, error: Exception) -> Reply:
    """What the framework refuses, such as an unknown path or method."""
    if not isinstance(error, HTTPException):
        return error_reply(500, "internal", "a fault of the server")
    code = CODES.get(error.status_code, "invalid_request")
    reply = error_reply(error.status_code, code, f"{error.detail}: {request.url.path[:200]}")
    reply.headers.update(error.headers or {})
    return reply


async def unknown_socket(client: WebSocket) -> None:
    """A WebSocket on a path that has none."""
    path = client.scope["path"][:200]
    await client.send_denial_response(error_reply(404, "not_found", f"no WebSocket at {path}"))
