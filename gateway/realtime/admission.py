"""Judges what a client asks for before its connection is accepted.

Whatever can refuse a client does it before the upgrade, so that the client gets a status and a reason.
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from msgspec.structs import replace

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import PARAMETERS, Overflow, SessionConfig, parse_query
from gateway.capacity.directory import WorkerDirectory
from gateway.http import MAX_QUERY_BYTES

MAX_FIELDS: Final = 100  # Parameters of a query string; the protocol has a dozen.
KNOWN: Final = frozenset((*PARAMETERS, "resume"))


class Admission:
    """Admits sessions by what the live workers can serve, and by what clients may ask for."""

    def __init__(
        self, directory: WorkerDirectory, overflow_allowed: Collection[str], *, store: bool = False
    ) -> None:
        """`store` says whether a session is kept whose client does not say."""
        self._directory, self._overflow_allowed, self._store = directory, overflow_allowed, store

    def allows(self, overflow: Overflow) -> bool:
        """Whether a client may ask for that where all slots are taken."""
        return overflow in self._overflow_allowed

    async def admit(self, query: dict[str, str]) -> SessionConfig:
        """The session that a client asks for, if it could be served.

        Raises:
            InvalidParameter: it could not.
        """
        return await self.check(parse_query(query))

    async def check(self, config: SessionConfig) -> SessionConfig:
        """The session with what the server adds to it, if it could be served.

        Raises:
            InvalidParameter: it could not.
        """
        if config.overflow and not self.allows(config.overflow):
            raise InvalidParameter("overflow", f"this server does not allow overflow={config.overflow}")
        if config.enhance_on_end or (self._store and config.store is None):
            config = replace(config, store=True)
        try:
            snapshot = await self._directory.get()
        except RegistryUnavailable:
            return config  # There is nothing to judge by; the client learns that there is no capacity.
        snapshot.check(config.model, config.language)
        return config


def read_query(query_string: bytes) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        InvalidParameter: it is too long, not UTF-8, or names a parameter of the protocol twice.
    """
    query: dict[str, str] = {}
    for name, value in read_pairs(query_string):
        if name in query and name in KNOWN:
            raise InvalidParameter(name[:80], f"{name[:80]} is given more than once")
        query[name] = value
    return query


def read_pairs(query_string: bytes) -> list[tuple[str, str]]:
    """The names and values of a query string, in their order.

    Raises:
        InvalidParameter: it is too long, or not UTF-8.
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
    return pairs
