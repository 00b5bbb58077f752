"""Reads from and writes to a call of gRPC, and says with which status it ends."""

from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from dalston_realtime.protocol.close_codes import CloseCode
from gateway.realtime.riva.proto import StreamingRequest
from gateway.sessions.outcome import SessionOutcome
from runtime.errors import SessionError

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

SCHEME: Final = "bearer"  # What stands before a key in the metadata `authorization`, in any case.

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


def credential_of(context: Context) -> str | None:
    """The key or token in the metadata, None where there is none.

    Raises:
        SessionError: it has another form.
    """
    found = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if not found:
        return None
    scheme, _, credential = str(found[0]).partition(" ")
    if len(found) > 1 or scheme.lower() != SCHEME:
        raise SessionError(CloseCode.UNAUTHORIZED, "give one key, as `authorization: Bearer KEY`")
    return credential.strip()


def check_end(outcome: SessionOutcome | None) -> None:
    """Have a call end as its session did; None: it goes on.

    Raises:
        SessionError: it is no good end.
    """
    if outcome is not None and outcome.code is not None and outcome.code is not CloseCode.NORMAL:
        message = outcome.event.message if outcome.event else outcome.name
        raise SessionError(outcome.code, message)
