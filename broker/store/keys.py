"""Every key that the project has in Redis, for Python and, as `lua`, for the scripts."""

from typing import Final


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.workers: Final = prefix + "workers"
        """Set of worker ids."""

        self.active: Final = prefix + "sessions:active"
        """Set of the ids of all sessions that hold a place."""

        self.leases: Final = prefix + "sessions:leases"
        """Sorted set of the same ids by the time at which their lease ends, in ms of Redis's clock."""

        self.started: Final = prefix + "sessions:started"
        """Sorted set of the same ids by the time at which they began, in ms."""

        self.endings: Final = prefix + "sessions:endings"
        """List of the times at which places came free lately, in ms, the newest first."""

        self.queue: Final = prefix + "queue"
        """Sorted set of the ids of sessions that wait for a place, by their ticket."""

        self.queue_leases: Final = prefix + "queue:leases"
        """Sorted set of the same ids by the time at which they lose their position, in ms."""

        self.queue_requests: Final = prefix + "queue:requests"
        """Hash of what each of them asks for, in JSON."""

        self.tickets: Final = prefix + "queue:tickets"
        """The last ticket that was drawn."""

        self.pulse: Final = prefix + "pulse"
        """Hash: `last`, when anybody called last, and `since`, when the calls began after a pause; in ms."""

        self.channel: Final = prefix + "events"
        """Channel on which `offline WORKER` and `places` are said."""

        self._worker, self._session = prefix + "worker:", prefix + "session:"
        self._sessions, self._resume = ":sessions", prefix + "resume:"

    def worker(self, worker_id: str) -> str:
        """Hash of one worker."""
        return self._worker + worker_id

    def worker_sessions(self, worker_id: str) -> str:
        """Set of the ids of the sessions that a worker serves; its size is the worker's load."""
        return self._worker + worker_id + self._sessions

    def session(self, session_id: str) -> str:
        """Hash of one session."""
        return self._session + session_id

    def resume(self, session_id: str) -> str:
        """Hash of what another gateway needs to go on with a session."""
        return self._resume + session_id

    @property
    def lua(self) -> str:
        """The same names, as the scripts use them."""
        return f"""
local WORKERS, ACTIVE, LEASES, STARTED = '{self.workers}', '{self.active}', '{self.leases}', '{self.started}'
local ENDINGS, PULSE, CHANNEL = '{self.endings}', '{self.pulse}', '{self.channel}'
local QUEUE, QUEUE_LEASES = '{self.queue}', '{self.queue_leases}'
local QUEUE_REQUESTS, TICKETS = '{self.queue_requests}', '{self.tickets}'
local function worker_key(id) return '{self._worker}' .. id end
local function worker_sessions_key(id) return '{self._worker}' .. id .. '{self._sessions}' end
local function resume_key(id) return '{self._resume}' .. id end
local function session_key(id) return '{self._session}' .. id end
"""


PLAIN: Final = Keys("dalston:realtime:")
CLUSTERED: Final = Keys("{dalston:realtime}:")
"""With a hash tag: on a Redis Cluster all of them lie in one slot, where one script can reach them."""
