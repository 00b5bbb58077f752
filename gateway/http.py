"""Holds what the gateway's HTTP code shares: the path of the stream, a limit, JSON answers of one shape."""

import math
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse

STREAM_PATH: Final = "/v1/audio/transcriptions/stream"
MAX_QUERY_BYTES: Final = 65_536  # Bytes: 100 phrases of 50 characters, percent-encoded, and the rest.


class Reply(JSONResponse):
    """A JSON answer."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return msgspec.json.encode(content)


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong: `code` is for programs, `message` for people, `type` for clients of OpenAI.

    `param` names the parameter that has a bad value; after `retry_after` seconds a client may try again.
    """

    code: str
    message: str
    type: str
    param: str | None = None
    retry_after: float | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


def error_reply(
    status: int, code: str, message: str, *, param: str | None = None, retry_after: float | None = None
) -> Reply:
    """The answer that says what is wrong."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    kind = "rate_limit_error" if status == 429 else kind
    detail = ErrorDetail(code=code, message=message, type=kind, param=param, retry_after=retry_after)
    return Reply(ErrorBody(detail), status)


def unavailable_reply(code: str, message: str, retry_after: float) -> Reply:
    """503 for a client that may try again in `retry_after` seconds."""
    reply = error_reply(503, code, message, retry_after=retry_after)
    reply.headers["Retry-After"] = str(math.ceil(retry_after))
    return reply


def no_capacity_reply(message: str, retry_after: float) -> Reply:
    """503 for a client that may find a slot in `retry_after` seconds."""
    return unavailable_reply("no_capacity", message, retry_after)
