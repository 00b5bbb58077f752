"""Says how a session ended: the close code, and the `error` event that goes before it."""

from dataclasses import dataclass
from typing import Final

from broker.records import EndStatus
from dalston_realtime.protocol.close_codes import CloseCode
from dalston_realtime.protocol.events import ServerError

_CODES: Final = frozenset(CloseCode)


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """The close code (None: the client left by itself), and the last event, if there is one to add."""

    code: CloseCode | None
    event: ServerError | None = None

    @classmethod
    def error(cls, code: CloseCode, message: str, retry_after: float | None = None) -> "SessionOutcome":
        """The end by an error that the client is told of; it may try again after so many seconds."""
        event = ServerError(code=code.error, message=message, recoverable=False, retry_after=retry_after)
        return cls(code, event)

    @classmethod
    def by_worker(cls, code: int | None, reason: str, told: str | None) -> "SessionOutcome":
        """The end that the worker's close means; `told` is the last error that it sent before.

        None is a worker that was lost. A code that is not the client's protocol is a fault of ours.
        """
        if code is None:
            return cls.error(CloseCode.INTERNAL, "the worker was lost")
        if code not in _CODES:
            return cls.error(CloseCode.INTERNAL, f"the worker closed with {code} {reason}".strip())
        known = CloseCode(code)
        if known is CloseCode.NORMAL or told == known.error:
            return cls(known)
        return cls.error(known, reason or known.error)

    @property
    def name(self) -> str:
        """For the close reason, logs and metrics: `client_gone`, `normal` or the error's name."""
        return "client_gone" if self.code is None else self.code.error

    @property
    def status(self) -> EndStatus:
        """What the registry keeps of it."""
        return "ended" if self.code in (None, CloseCode.NORMAL) else "error"
