"""What is judged before the upgrade: a query string in, what the client asks for out.

Credentials and `resume` belong here too: whatever can refuse a client does it before it is accepted.
"""

from dataclasses import dataclass, fields
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlencode

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig, parse_query
from gateway.capacity.directory import WorkerSnapshot

MAX_QUERY_BYTES: Final = 65_536  # 100 phrases of 50 characters, percent-encoded, and the rest
MAX_FIELDS: Final = 100
PARAMETERS: Final = tuple(field.name for field in fields(SessionConfig))
KNOWN: Final = (*PARAMETERS, "resume")


class WorkerViews(Protocol):
    """Whoever knows the workers; see `Directory`."""

    async def look(self) -> WorkerSnapshot:
        """The workers of late, or `RegistryUnavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The session that a client asks for, and the query string that asks a worker for the same."""

    config: SessionConfig
    query: str


async def admit(query_string: bytes, directory: WorkerViews, overflow_allowed: str) -> SessionRequest:
    """What a client asks for, if it is a session that could be served; see the setting of that name.

    Raises:
        InvalidParameter: it is not.
    """
    query = read_query(query_string)
    config = parse_query(query)
    if config.overflow and config.overflow not in overflow_allowed.split(","):
        raise InvalidParameter("overflow", f"this server does not allow overflow={config.overflow}")
    # Only what describes the session goes on: no credentials, no session id of the client's choice.
    wish = SessionRequest(config, urlencode({name: query[name] for name in PARAMETERS if name in query}))
    try:
        view = await directory.look()
    except RegistryUnavailable:
        return wish  # nothing to judge by; the client learns that there is no capacity
    view.check(config.model, config.language)
    return wish


def read_query(query_string: bytes) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        InvalidParameter: it is too long, not UTF-8, or names a parameter of ours twice.
    """
    if len(query_string) > MAX_QUERY_BYTES:
        raise InvalidParameter("query", f"the query string is longer than {MAX_QUERY_BYTES} bytes")
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except UnicodeError:
        raise InvalidParameter("query", "the query string is not percent-encoded UTF-8") from None
    except ValueError:
        raise InvalidParameter("query", f"the query string has more than {MAX_FIELDS} parameters") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query and name in KNOWN:
            raise InvalidParameter(name[:80], f"{name[:80]} is given more than once")
        query[name] = value
    return query
