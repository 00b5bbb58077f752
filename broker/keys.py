"""Every key that the project has in Redis, for Python and, as `LUA_NAMES`, for the scripts."""

from typing import Final

WORKERS: Final = "dalston:realtime:workers"
"""Set of worker ids."""

ACTIVE: Final = "dalston:realtime:sessions:active"
"""Set of the ids of all sessions that hold a place."""

LEASES: Final = "dalston:realtime:sessions:leases"
"""Sorted set of the same ids by the time at which their lease ends, in ms of Redis's clock."""

STARTED: Final = "dalston:realtime:sessions:started"
"""Sorted set of the same ids by the time at which they began, in ms."""

ENDINGS: Final = "dalston:realtime:sessions:endings"
"""List of the times at which places came free lately, in ms, the newest first."""

QUEUE: Final = "dalston:realtime:queue"
"""Sorted set of the ids of sessions that wait for a place, by their ticket."""

QUEUE_LEASES: Final = "dalston:realtime:queue:leases"
"""Sorted set of the same ids by the time at which they lose their position, in ms."""

QUEUE_REQUESTS: Final = "dalston:realtime:queue:requests"
"""Hash of what each of them asks for, in JSON."""

TICKETS: Final = "dalston:realtime:queue:tickets"
"""The last ticket that was drawn."""

PULSE: Final = "dalston:realtime:pulse"
"""Hash: `last`, when anybody called last, and `since`, when the calls began after a pause; in ms."""

CHANNEL: Final = "dalston:realtime:events"
"""Channel on which `offline WORKER` and `places` are said."""

_WORKER: Final = "dalston:realtime:worker:"
_SESSION: Final = "dalston:realtime:session:"
_SESSIONS: Final = ":sessions"
_RESUME: Final = "dalston:realtime:resume:"


def worker(worker_id: str) -> str:
    """Hash of one worker."""
    return _WORKER + worker_id


def worker_sessions(worker_id: str) -> str:
    """Set of the ids of the sessions that a worker serves; its size is the worker's load."""
    return _WORKER + worker_id + _SESSIONS


def session(session_id: str) -> str:
    """Hash of one session."""
    return _SESSION + session_id


def resume(session_id: str) -> str:
    """Hash of what another gateway needs to go on with a session."""
    return _RESUME + session_id


LUA_NAMES: Final = f"""
local WORKERS, ACTIVE, LEASES, STARTED = '{WORKERS}', '{ACTIVE}', '{LEASES}', '{STARTED}'
local ENDINGS, PULSE, CHANNEL = '{ENDINGS}', '{PULSE}', '{CHANNEL}'
local QUEUE, QUEUE_LEASES = '{QUEUE}', '{QUEUE_LEASES}'
local QUEUE_REQUESTS, TICKETS = '{QUEUE_REQUESTS}', '{TICKETS}'
local function worker_key(id) return '{_WORKER}' .. id end
local function worker_sessions_key(id) return '{_WORKER}' .. id .. '{_SESSIONS}' end
local function resume_key(id) return '{_RESUME}' .. id end
local function session_key(id) return '{_SESSION}' .. id end
"""
