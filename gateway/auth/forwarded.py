"""Tells a gateway for whom another one forwards a connection; the internal secret vouches for it."""

from starlette.requests import HTTPConnection

from gateway.auth.principal import Principal
from runtime.secret import is_authorized

PRINCIPAL_HEADER = "x-dalston-principal"


def forwarded_headers(principal_id: str, secret: str) -> dict[str, str]:
    """The headers of a connection that a gateway forwards."""
    return {"Authorization": f"Bearer {secret}", PRINCIPAL_HEADER: principal_id}


def forwarded_principal(connection: HTTPConnection, secret: str) -> Principal | None:
    """On behalf of whom another gateway comes, which has checked it; None for everybody else."""
    principal_id = connection.headers.get(PRINCIPAL_HEADER)
    if principal_id is None or not is_authorized(connection.headers.get("authorization"), secret):
        return None
    return Principal(principal_id, "", frozenset({"transcribe"}))
