"""Defines every error of the client that can be expected, with what to do about it.

- `ClientError`
    - `UsageError`: what the caller gave can't be used, such as a malformed URL
        - `ProxyUnusableError`: a proxy of the environment that can't be used
        - `AudioError`: a file or device that can't be read as audio
        - `OutputError`: a transcript that can't be written
    - `UnreachableError`: nothing answers at the URL
    - `RefusedError`: an HTTP status instead of the upgrade or the answer
        - `InvalidParameterError`: HTTP 400 that names the parameter
    - `ProtocolError`: the server sent something that is not the protocol
    - `SessionClosedError`: the session ended with a close code before it was complete
        - `ConnectionLostError`: without a close code: a network or a server is gone
        - one class for each close code of the protocol, such as `NoCapacityError`
"""

from typing import Any, ClassVar, Final

from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.errors import DalstonError

NO_TLS: Final = "WRONG_VERSION_NUMBER"  # What OpenSSL says of a server that answers in plain text.
NO_TLS_ADVICE: Final = "it speaks no TLS; try ws:// instead of wss://"
NOT_TRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
NOT_TRUSTED_ADVICE: Final = "its certificate is not trusted here; SSL_CERT_FILE may name the file of its CA"


class ClientError(DalstonError):
    """Root of the client's errors; the text is one line for the person who sees it."""


class UsageError(ClientError):
    """What the caller gave can't be used."""


class AudioError(UsageError):
    """A file or device that can't be read as audio."""


class OutputError(UsageError):
    """A transcript that can't be written."""


class ProxyUnusableError(UsageError):
    """A proxy of the environment that can't be used."""

    def __init__(self, why: object) -> None:
        super().__init__(
            f"the proxy of the environment can't be used ({one_line(why, 160).rstrip('.')}); give it as"
            " http://HOST:PORT in HTTPS_PROXY and ALL_PROXY, or name the server's host in NO_PROXY"
        )


class UnreachableError(ClientError):
    """Nothing answers at the URL."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"no server answers at {url} ({why}); start one with `make run`,"
            " or give its address with --url or DALSTON_URL"
        )
        self.url = url


class RefusedError(ClientError):
    """The server answered with an HTTP status instead of the upgrade or the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"the server refused (HTTP {status} {code}): {message}")
        self.status = status
        self.code = code
        self.message = message


class InvalidParameterError(RefusedError):
    """A parameter has a value that the server does not take; `param` names it."""

    def __init__(self, param: str, message: str, status: int = 400) -> None:
        super().__init__(status, "invalid_parameter", message)
        self.args = (f"the server does not take this {param}: {message}",)
        self.param = param


class ProtocolError(ClientError):
    """The server sent something that is not the protocol."""


class SessionClosedError(ClientError):
    """The session ended with a close code before it was complete.

    `code` is the close code, `name` its name in the protocol and `message` what the server said.
    """

    advice: ClassVar[str] = "try again"
    resumable: ClassVar[bool] = False  # whether the protocol says: reconnect with `resume`

    def __init__(self, code: int, name: str, message: str) -> None:
        said = f": {message}" if message else ""
        super().__init__(f"the session was closed ({code} {name}){said}; {self.advice}")
        self.code = code
        self.name = name
        self.message = message


class ConnectionLostError(SessionClosedError):
    """The connection broke without a close code."""

    advice = "check the network and the server, then try again"
    resumable = True


class InternalError(SessionClosedError):
    """1011: a fault of the server."""

    advice = "try again; the server's log says more"
    resumable = True


class RestartingError(SessionClosedError):
    """1012: the gateway is going away."""

    advice = "try again when it is back"
    resumable = True


class UnauthorizedError(SessionClosedError):
    """4001: no credentials, or bad ones."""

    advice = "check the credentials"


class ForbiddenError(SessionClosedError):
    """4003: credentials that do not allow this."""

    advice = "ask for the right, or use other credentials"


class IdleTimeoutError(SessionClosedError):
    """4008: no audio and no keepalive."""

    advice = "connect again when there is something to say"


class SessionTooLongError(SessionClosedError):
    """4009: the maximum duration is reached."""

    advice = "start a new session"


class LagExceededError(SessionClosedError):
    """4010: results fell too far behind the audio."""

    advice = "send slower, or add capacity"


class InvalidRequestError(SessionClosedError):
    """4400: a message that can't be recovered from."""

    advice = "this is a fault of the client"


class TooManySessionsError(SessionClosedError):
    """4429: a limit of this key is reached; the message says which, and when it comes free."""

    advice = "wait until it comes free"


class NoCapacityError(SessionClosedError):
    """4503: no worker has a free slot. `retry_after` is in seconds, None where not said."""

    advice = "try again later, or add a worker"

    def __init__(self, code: int, name: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(code, name, message)
        self.retry_after = retry_after
        if retry_after is not None:
            said = f": {message}" if message else ""
            self.args = (f"no free slot{said}; try again in {retry_after:g} s, or add a worker",)


_BY_CODE: Final[dict[int, type[SessionClosedError]]] = {
    CloseCode.INTERNAL: InternalError,
    CloseCode.RESTARTING: RestartingError,
    CloseCode.UNAUTHORIZED: UnauthorizedError,
    CloseCode.FORBIDDEN: ForbiddenError,
    CloseCode.IDLE_TIMEOUT: IdleTimeoutError,
    CloseCode.SESSION_TOO_LONG: SessionTooLongError,
    CloseCode.LAG_EXCEEDED: LagExceededError,
    CloseCode.INVALID_REQUEST: InvalidRequestError,
    CloseCode.TOO_MANY_SESSIONS: TooManySessionsError,
}
NO_CLOSE_CODE: Final = 1006  # What WebSocket libraries report where no close frame came.
_NAMES: Final = {int(code): code.error for code in CloseCode} | {NO_CLOSE_CODE: "connection_lost"}


def session_closed(code: int, message: str, retry_after: float | None = None) -> SessionClosedError:
    """The error for a close code; `message` and `retry_after` come from the last `error` event."""
    name = _NAMES.get(code, "unknown")
    if code == CloseCode.NO_CAPACITY:
        return NoCapacityError(code, name, message, retry_after)
    if code == NO_CLOSE_CODE:
        return ConnectionLostError(code, name, message)
    return _BY_CODE.get(code, SessionClosedError)(code, name, message)


def refused(status: int, body: Any) -> RefusedError:
    """The error for an HTTP status; `body` is its decoded JSON, or the text where it is not."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return RefusedError(status, "error", one_line(body) if isinstance(body, str) else "")
    code, message = one_line(error.get("code", "error")), one_line(error.get("message", ""))
    if "param" in error:
        return InvalidParameterError(one_line(error["param"]), message, status)
    return RefusedError(status, code, message)


def one_line(value: object, limit: int = 300) -> str:
    """`value` as one short line without control characters, fit for a terminal."""
    text = "".join(c if c.isprintable() else " " for c in str(value)[: 2 * limit])
    return " ".join(text.split())[:limit]
