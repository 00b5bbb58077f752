"""Names the codes with which the server closes a WebSocket, and the errors that go before them."""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """WebSocket close codes of the protocol; the name in lower case is the `error` event's code."""

    NORMAL = 1000
    INTERNAL = 1011
    RESTARTING = 1012
    UNAUTHORIZED = 4001
    FORBIDDEN = 4003
    IDLE_TIMEOUT = 4008
    SESSION_TOO_LONG = 4009
    LAG_EXCEEDED = 4010
    INVALID_REQUEST = 4400
    TOO_MANY_SESSIONS = 4429
    NO_CAPACITY = 4503

    @property
    def error(self) -> str:
        """The code name used in `error` events and close reasons, such as `no_capacity`."""
        return self.name.lower()


_BY_NAME: Final = {code.error: code for code in CloseCode}


def close_code(name: str) -> CloseCode:
    """The close code for an error name; names that have no code of their own are `internal`."""
    return _BY_NAME.get(name, CloseCode.INTERNAL)
