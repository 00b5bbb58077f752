"""Reads the credential of a request from its header, its query, or the sub-protocols of its WebSocket."""

from typing import Final

from starlette.requests import HTTPConnection

from gateway.auth.errors import MalformedCredential, Unauthorized
from storage.api_keys.api_key import PREFIX

SUBPROTOCOL: Final = "dalston"  # What is selected where a token comes as a sub-protocol.
TOKEN_PREFIX: Final = "token."  # noqa: S105 - what such a sub-protocol begins with
TOKEN_PARAMETER: Final = "token"  # noqa: S105 - the name of the query parameter
MAX_CREDENTIAL: Final = 4096  # Characters of a credential: a signed token has some hundred.


def credential_of(connection: HTTPConnection) -> str | None:
    """The credential of a request or WebSocket, None where it has none.

    Raises:
        MalformedCredential: there is more than one.
        Unauthorized: it has a form that nobody knows, or a place where it must not stand.
    """
    found = [*_in_headers(connection), *_in_query(connection), *_in_subprotocols(connection)]
    if len(found) > 1:
        raise MalformedCredential("give one credential: several came with this request")
    if found and not 0 < len(found[0]) <= MAX_CREDENTIAL:
        raise Unauthorized("the credential is empty or too long")
    return found[0] if found else None


def selected_subprotocol(connection: HTTPConnection) -> str | None:
    """The sub-protocol to accept a WebSocket with."""
    return SUBPROTOCOL if SUBPROTOCOL in connection.scope.get("subprotocols", ()) else None


def _in_headers(connection: HTTPConnection) -> list[str]:
    return [_bearer(value) for value in connection.headers.getlist("authorization")]


def _bearer(value: str) -> str:
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the credential must be given as `Authorization: Bearer KEY`")
    return credential.strip()


def _in_query(connection: HTTPConnection) -> list[str]:
    found = connection.query_params.getlist(TOKEN_PARAMETER)
    if any(value.startswith(PREFIX) for value in found):
        raise Unauthorized("a key does not belong into a URL: give it as `Authorization: Bearer KEY`")
    return found


def _in_subprotocols(connection: HTTPConnection) -> list[str]:
    offered = connection.scope.get("subprotocols", ())
    return [name.removeprefix(TOKEN_PREFIX) for name in offered if name.startswith(TOKEN_PREFIX)]
