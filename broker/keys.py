"""Every key that the project has in Redis, for Python and, as `LUA_NAMES`, for the scripts."""

from typing import Final

WORKERS: Final = "dalston:realtime:workers"
"""Set of worker ids."""

ACTIVE: Final = "dalston:realtime:sessions:active"
"""Set of the ids of all sessions that hold a place."""

_WORKER: Final = "dalston:realtime:worker:"
_SESSION: Final = "dalston:realtime:session:"
_SESSIONS: Final = ":sessions"


def worker(worker_id: str) -> str:
    """Hash of one worker."""
    return _WORKER + worker_id


def worker_sessions(worker_id: str) -> str:
    """Set of the ids of the sessions that a worker serves; its size is the worker's load."""
    return _WORKER + worker_id + _SESSIONS


def session(session_id: str) -> str:
    """Hash of one session."""
    return _SESSION + session_id


LUA_NAMES: Final = f"""
local WORKERS, ACTIVE = '{WORKERS}', '{ACTIVE}'
local function worker_key(id) return '{_WORKER}' .. id end
local function worker_sessions_key(id) return '{_WORKER}' .. id .. '{_SESSIONS}' end
local function session_key(id) return '{_SESSION}' .. id end
"""
