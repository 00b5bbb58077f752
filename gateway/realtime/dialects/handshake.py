"""Reads a client's request for a connection as dialects see it: query, headers, sub-protocols, credential."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from dalston_realtime.protocol.errors import InvalidParameter

TRUE: Final = ("true", "1")
FALSE: Final = ("false", "0")


@dataclass(frozen=True, slots=True)
class Handshake:
    """The request; names of headers are in lower case, and a query parameter may be there several times."""

    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the query parameters, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.query))

    def all(self, name: str) -> tuple[str, ...]:
        """The values of a query parameter that may be repeated."""
        return tuple(text for found, text in self.query if found == name)

    def one(self, name: str) -> str | None:
        """The value of a query parameter, None where it is not there or empty.

        Raises:
            InvalidParameter: it is there with different values.
        """
        values = set(self.all(name)) - {""}
        if len(values) > 1:
            raise InvalidParameter(name, f"{name} is given more than once")
        return next(iter(values), None)

    def flag(self, name: str, default: bool = False) -> bool:
        """A query parameter that is true or false, in any case.

        Raises:
            InvalidParameter: it is neither.
        """
        text = (self.one(name) or "").lower()
        if text and text not in (*TRUE, *FALSE):
            raise InvalidParameter(name, f"{name} must be true or false, not {text[:40]!r}")
        return text in TRUE if text else default

    def number(self, name: str, low: float, high: float) -> float | None:
        """A query parameter that is a number, None where it is not there.

        Raises:
            InvalidParameter: it is none, or out of its range.
        """
        text = self.one(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise InvalidParameter(name, f"{name} must be from {low:g} to {high:g}, not {text[:40]!r}")
        return number

    def asked(self, names: Collection[str]) -> tuple[str, ...]:
        """Which of these query parameters are there and are not false."""
        present = {name for name, text in self.query if text.lower() not in ("", *FALSE)}
        return tuple(name for name in self.names if name in present and name in names)

    def authorization(self, schemes: Collection[str]) -> str | None:
        """The key of the header `Authorization`, behind one of these schemes, in any case."""
        scheme, _, key = self.headers.get("authorization", "").strip().partition(" ")
        return key.strip() or None if scheme.lower() in schemes else None

    def key_behind(self, *markers: str) -> tuple[str, str] | None:
        """The sub-protocol among these that the client offers, and the one behind it, which is a key."""
        for marker, key in zip(self.subprotocols, self.subprotocols[1:], strict=False):
            if marker.lower() in markers:
                return marker, key
        return None
