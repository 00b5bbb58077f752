"""Holds the errors that server processes raise on purpose.

Two kinds of failure exist:

- `SessionError`: the trouble of one session. That client is told, nobody else notices.
- anything else: the process ends with a traceback and a non-zero exit code.

`StartupError` is of the second kind with a message for the person who started the process:
it is printed as one line, without a traceback.
"""

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import DalstonError


class StartupError(DalstonError):
    """A process can't start; the message says what is missing and what would be right."""


class SessionError(DalstonError):
    """One session can't go on. `code` is a name from `CloseCode`, such as `lag_exceeded`."""

    def __init__(self, code: CloseCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
