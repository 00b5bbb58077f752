"""Defines what can go wrong with the registry, as its callers see it.

- `RegistryUnavailable`: Redis did not answer in time or refused; a later call may succeed.
- `NoCapacity`: no worker has a free slot for this session.
- `NothingToDrain`: a worker that shall drain is offline.
- `WorkerIdTaken`: another live worker has the id under which one registers.
- `SessionOver`: a slot was asked for a session that has already been released.
"""

from dalston_realtime.protocol.errors import DalstonError


class RegistryUnavailable(DalstonError):
    """Redis can't be reached, is too slow or refuses. What was asked may be done or not."""


class NoCapacity(DalstonError):
    """No live worker has a free slot; `retry_after` is in seconds.

    `is_served` says whether a live worker has the model at all: else one may be just coming back.
    """

    def __init__(self, message: str, retry_after: float, *, is_served: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.is_served = is_served


class NothingToDrain(DalstonError):
    """The worker is offline: it has no sessions, and drains no longer when it is started again."""


class SessionOver(DalstonError):
    """The session has been released; its id never gets a slot again."""


class WorkerIdTaken(DalstonError):
    """Another worker has the id, and lives; nothing of it has changed."""
