"""Reads from and writes to a call of gRPC, and says with which status it ends."""

import re
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from starlette.requests import HTTPConnection

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.realtime.riva.proto import SERVICE, StreamingRequest
from gateway.sessions.outcome import SessionOutcome
from runtime.errors import SessionError

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

PEER: Final = re.compile(r"ipv[46]:(?P<host>.*):\d+")
"""How gRPC writes the address of a client."""

STATUSES: Final = {
    CloseCode.UNAUTHORIZED: grpc.StatusCode.UNAUTHENTICATED,
    CloseCode.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    CloseCode.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    CloseCode.TOO_MANY_SESSIONS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CloseCode.LAG_EXCEEDED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    CloseCode.NO_CAPACITY: grpc.StatusCode.UNAVAILABLE,
    CloseCode.RESTARTING: grpc.StatusCode.UNAVAILABLE,
    CloseCode.IDLE_TIMEOUT: grpc.StatusCode.CANCELLED,
    CloseCode.SESSION_TOO_LONG: grpc.StatusCode.DEADLINE_EXCEEDED,
    CloseCode.INTERNAL: grpc.StatusCode.INTERNAL,
}
"""The status of a call by how its session ended."""


REFUSALS: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""The status of a call by the HTTP status with which its client is refused."""


def parse(kind: Any, data: bytes) -> Any:
    """The message of this kind in the bytes.

    Raises:
        SessionError: they are none.
    """
    try:
        return kind.FromString(data)
    except DecodeError:
        name = kind.DESCRIPTOR.name
        raise SessionError(CloseCode.INVALID_REQUEST, f"the message is no {name}") from None


async def receive(context: Context) -> Any:
    """The next message of a stream, None after the last.

    Raises:
        SessionError: it can't be read.
    """
    data = await context.read()
    return None if data is grpc.aio.EOF else parse(StreamingRequest, data)


def request_of(context: Context, method: str, host: str) -> HTTPConnection:
    """A call as the request over HTTP that it is; `host` is where we listen: gRPC keeps Host to itself."""
    metadata = context.invocation_metadata() or ()
    headers = [(k.encode(), v.encode()) for k, v in metadata if isinstance(v, str) and k != "host"]
    address = PEER.fullmatch(context.peer())
    scope = {
        "type": "http",
        "path": f"/{SERVICE}/{method}",
        "query_string": b"",
        "headers": [(b"host", host.encode()), *headers],
        "client": (address["host"].strip("[]"), 0) if address else None,
    }
    return HTTPConnection(scope)


def check_end(outcome: SessionOutcome) -> None:
    """Have a call end as its session did.

    Raises:
        SessionError: it is no good end.
    """
    if outcome.code is not None and outcome.code is not CloseCode.NORMAL:
        message = outcome.event.message if outcome.event else outcome.name
        raise SessionError(outcome.code, message)
