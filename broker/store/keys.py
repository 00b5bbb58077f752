"""Names every key that the project has in Redis, for Python and, as `lua`, for the scripts."""

from typing import Final


class Keys:
    """The keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.workers: Final = prefix + "workers"
        """Set of worker ids."""

        self.active: Final = prefix + "sessions:active"
        """Set of the ids of all sessions that hold a slot."""

        self.leases: Final = prefix + "sessions:leases"
        """Sorted set of the same ids by the time at which their lease ends, in ms of Redis's clock."""

        self.started: Final = prefix + "sessions:started"
        """Sorted set of the same ids by the time at which they began, in ms."""

        self.endings: Final = prefix + "sessions:endings"
        """List of the last times at which slots came free, in ms, the newest first."""

        self.queue: Final = prefix + "queue"
        """Sorted set of the ids of sessions that wait for a slot, by their ticket."""

        self.queue_leases: Final = prefix + "queue:leases"
        """Sorted set of the same ids by the time at which they lose their position, in ms."""

        self.queue_requests: Final = prefix + "queue:requests"
        """Hash of the request of each of them, in JSON."""

        self.tickets: Final = prefix + "queue:tickets"
        """The last ticket that was drawn."""

        self.availability: Final = prefix + "pulse"
        """Hash of the availability window: `last` is the time of the last call, `since` that of the first
        call after a pause; in ms. Leases do not expire for calls that were missed while Redis was down."""

        self.channel: Final = prefix + "events"
        """Channel of the announcements `offline WORKER` and `places SESSION ...` (that would get a slot)."""

        self.index_workers: Final = prefix + "index:workers"
        """Hash of what the index knows of each worker: its set, its sessions and its score, or nothing."""

        self.index_models: Final = prefix + "index:models"
        """Hash of the models, in JSON, of each set of workers that have the same, by their digest."""

        self.index_sessions: Final = prefix + "index:sessions"
        """Hash of the number of sessions on the workers of each set, for the estimate of a wait."""

        self._index = prefix + "index:"
        self._worker, self._session = prefix + "worker:", prefix + "session:"
        self._sessions, self._checkpoint = ":sessions", prefix + "resume:"
        self._token_uses = prefix + "token:"
        self._usage, self._audio, self._requests = prefix + "usage:", ":audio", ":requests"

    def worker(self, worker_id: str) -> str:
        """Hash of one worker."""
        return self._worker + worker_id

    def worker_sessions(self, worker_id: str) -> str:
        """Set of the ids of the sessions that a worker serves; its size is the worker's load."""
        return self._worker + worker_id + self._sessions

    def session(self, session_id: str) -> str:
        """Hash of one session."""
        return self._session + session_id

    def checkpoint(self, session_id: str) -> str:
        """Hash of a session's checkpoint: what another gateway needs to go on with the session."""
        return self._checkpoint + session_id

    def token_uses(self, token_id: str) -> str:
        """Set of the uses of a short-lived token."""
        return self._token_uses + token_id

    def index_slots(self, models: str) -> str:
        """Sorted set of the workers of a set in the order in which they are chosen."""
        return f"{self._index}slots:{models}"

    def index_heartbeats(self, models: str) -> str:
        """Sorted set of the same workers by their last heartbeat, in ms."""
        return f"{self._index}heartbeats:{models}"

    def index_device(self, device: str) -> str:
        """Set of the workers that use a GPU, or did so within the last hour."""
        return f"{self._index}device:{device}"

    def usage_sessions(self, account: str) -> str:
        """Sorted set of the sessions that count for an account by the end of their lease, in ms."""
        return self._usage + account + self._sessions

    def usage_audio(self, account: str) -> str:
        """Hash of an account's audio in ms: it `used` so much on `day`; what is counted of each session."""
        return self._usage + account + self._audio

    def usage_requests(self, account: str) -> str:
        """Hash of the number of an account's requests by the second in which they came."""
        return self._usage + account + self._requests

    @property
    def lua(self) -> str:
        """The same names as Lua source, which is put before each script."""
        return f"""
local WORKERS, ACTIVE, LEASES, STARTED = '{self.workers}', '{self.active}', '{self.leases}', '{self.started}'
local ENDINGS, AVAILABILITY, CHANNEL = '{self.endings}', '{self.availability}', '{self.channel}'
local QUEUE, QUEUE_LEASES = '{self.queue}', '{self.queue_leases}'
local QUEUE_REQUESTS, TICKETS = '{self.queue_requests}', '{self.tickets}'
local INDEX_WORKERS, INDEX_MODELS = '{self.index_workers}', '{self.index_models}'
local INDEX_SESSIONS = '{self.index_sessions}'
local function index_slots_key(models) return '{self.index_slots("")}' .. models end
local function index_heartbeats_key(models) return '{self.index_heartbeats("")}' .. models end
local function index_device_key(device) return '{self.index_device("")}' .. device end
local function worker_key(id) return '{self._worker}' .. id end
local function worker_sessions_key(id) return '{self._worker}' .. id .. '{self._sessions}' end
local function checkpoint_key(id) return '{self._checkpoint}' .. id end
local function token_uses_key(id) return '{self._token_uses}' .. id end
local function usage_sessions_key(account) return '{self._usage}' .. account .. '{self._sessions}' end
local function usage_audio_key(account) return '{self._usage}' .. account .. '{self._audio}' end
local function usage_requests_key(account) return '{self._usage}' .. account .. '{self._requests}' end
local function session_key(id) return '{self._session}' .. id end
"""


PLAIN: Final = Keys("dalston:realtime:")
CLUSTERED: Final = Keys("{dalston:realtime}:")
"""The prefix is a hash tag: a Redis Cluster keeps all keys in one hash slot, where a script reaches them."""
