"""Holds the refusals of a request by who makes it; each knows the answer that its client gets."""

import math
from typing import ClassVar

from dalston_realtime.protocol.errors import DalstonError
from gateway.http import Reply, error_reply


class RequestRefused(DalstonError):
    """A request is refused; `status`, `code` and `message` are what its client gets."""

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def reply(self) -> Reply:
        """The answer."""
        reply = error_reply(self.status, self.code, self.message)
        if self.status == 401:
            reply.headers["WWW-Authenticate"] = "Bearer"
        return reply


class MalformedCredential(RequestRefused):
    """There is more than one credential, or one that can't be read."""

    status, code = 400, "invalid_credential"


class Unauthorized(RequestRefused):
    """There is no credential where one is needed, or one that does not hold."""

    status, code = 401, "unauthorized"


class Forbidden(RequestRefused):
    """It is known who asks, and they may not do this."""

    status, code = 403, "forbidden"


class AuthUnavailable(RequestRefused):
    """It can't be found out who asks: nobody is let in meanwhile."""

    status, code = 503, "auth_unavailable"


class LimitReached(RequestRefused):
    """A key or an address has used what it may; `retry_after` are the seconds until it may try again."""

    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def reply(self) -> Reply:
        """The answer."""
        reply = error_reply(self.status, self.code, self.message, retry_after=self.retry_after)
        reply.headers["Retry-After"] = str(math.ceil(self.retry_after))
        return reply


class TooManySessions(LimitReached):
    """It has as many sessions at once as it may have."""

    code = "too_many_sessions"


class TooMuchAudio(LimitReached):
    """Its seconds of audio of the day are used up."""

    code = "too_much_audio"


class TooManyRequests(LimitReached):
    """It made as many requests in a minute as it may."""

    code = "too_many_requests"
