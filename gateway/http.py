"""JSON answers of one shape: `{"error": {"code": ..., "message": ...}}` where something is wrong."""

import math
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

_CODES = {404: "not_found", 405: "method_not_allowed", 426: "upgrade_required"}


class Reply(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return orjson.dumps(content)


def error_reply(status: int, code: str, message: str, **more: Any) -> Reply:
    """The answer that says what is wrong."""
    return Reply({"error": {"code": code, "message": message} | more}, status)


def no_capacity_reply(message: str, retry_after: float) -> Reply:
    """503 for a client that may find a place in `retry_after` seconds."""
    reply = error_reply(503, "no_capacity", message, retry_after=retry_after)
    reply.headers["Retry-After"] = str(math.ceil(retry_after))
    return reply


async def http_error(request: Request, error: Exception) -> Reply:
    """What the framework refuses, such as an unknown path or method."""
    if not isinstance(error, HTTPException):
        return error_reply(500, "internal", "a fault of the server")
    code = _CODES.get(error.status_code, "invalid_request")
    reply = error_reply(error.status_code, code, f"{error.detail}: {request.url.path[:200]}")
    reply.headers.update(error.headers or {})
    return reply


async def unknown_socket(client: WebSocket) -> None:
    """A WebSocket on a path that has none."""
    path = client.scope["path"][:200]
    await client.send_denial_response(error_reply(404, "not_found", f"no WebSocket at {path}"))
