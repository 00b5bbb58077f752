"""The error tree and the close codes of the client protocol.

Two kinds of failure exist:

- `SessionError`: the trouble of one session. That client is told, nobody else notices.
- anything else: the process ends with a traceback and a non-zero exit code.

`StartupError` is of the second kind with a message for the person who started the process:
it is printed as one line, without a traceback.
"""

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


class DalstonError(Exception):
    """Root of the errors that this project raises on purpose."""


class StartupError(DalstonError):
    """A process can't start; the message says what is missing and what would be right."""


class SessionError(DalstonError):
    """One session can't go on. `code` is a name from `CloseCode`, such as `lag_exceeded`."""

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidParameter(DalstonError):
    """A query parameter or `config` field has a bad value; `param` names it."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param
        self.message = message


def close_code(name: str) -> CloseCode:
    """The close code for an error name; names that have no code of their own are `internal`."""
    return _BY_NAME.get(name, CloseCode.INTERNAL)
