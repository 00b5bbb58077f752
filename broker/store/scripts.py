"""Runs the Lua scripts in Redis, each within a deadline; every failure becomes `RegistryUnavailable`."""

import asyncio
import hashlib
import logging
from contextlib import suppress
from importlib import resources
from typing import Any, Final, Literal

from redis.exceptions import AuthenticationError, MovedError, NoScriptError, RedisError, ResponseError

from broker.errors import RegistryUnavailable
from broker.store.connection import connect, keys_of
from runtime.logs import get_logger
from runtime.process import Stop

log = get_logger(__name__)

DEADLINE_S: Final = 1.0  # Seconds of one call, connecting included: a client waits for the answer.
CONNECTIONS: Final = 16  # Redis runs one script at a time, well under 1 ms each: more would only queue there.
LEASE_MS: Final = (
    8_000  # Milliseconds of a slot's lease: the slots of a gateway that is gone are free within 10 s.
)

OUT_OF_MEMORY: Final = "used memory > 'maxmemory'"  # How every version of Redis says it, also in a script.
FULL: Final = "it is full; raise its maxmemory (DALSTON_REDIS_MAXMEMORY where it is the embedded one)"

UNREACHABLE: Final = "it can't be reached"
ONE_SERVER: Final = (
    "it is no Redis Cluster, whose URL begins with redis+cluster://; this one's begins with redis://"
)
A_CLUSTER: Final = "it is a Redis Cluster, whose URL is redis+cluster://..."
REFUSES: Final = "it refuses; the log of this process says why"
KNOWN_ERRORS: Final = {
    OUT_OF_MEMORY: FULL,
    "cluster support disabled": ONE_SERVER,
    "Redis Cluster cannot be connected": ONE_SERVER,
    "non local key": A_CLUSTER,
}
"""What errors of Redis and its library say, in parts, and what we say of them."""

Argument = str | int | float | bytes

ScriptName = Literal[
    "allocate",
    "checkpoint_claim",
    "checkpoint_delete",
    "checkpoint_save",
    "deregister",
    "drain",
    "heartbeat",
    "leave",
    "offline",
    "release",
    "renew",
    "restore",
    "sessions",
    "sweep",
    "token_use",
    "usage_open",
    "usage_read",
    "usage_report",
    "usage_request",
    "wait",
    "wait_estimate",
    "workers",
]
"""The files in broker/lua, without those of `SHARED`."""

SHARED: Final = ("slot_index", "common", "placement")
"""The files in broker/lua that are put before each script, in this order."""


class Scripts:
    """The Lua scripts of broker/lua. Connects when it is first needed, and again after a loss."""

    def __init__(self, url: str, deadline: float = DEADLINE_S, connections: int = CONNECTIONS) -> None:
        """Use the Redis at `url`; a call takes at most `deadline` seconds.

        Raises:
            StartupError: `url` is none that can be used.
        """
        self._deadline = deadline
        self._redis, self._keys = connect(url, connections, deadline), keys_of(url)
        # Calls wait here and not in redis-py's pool: on Python 3.11 its asyncio.Condition loses the wake-up
        # of a call that is cancelled as it is woken, and the calls behind it wait until their deadline.
        self._free = asyncio.Semaphore(connections)
        self._sources: dict[ScriptName, tuple[str, str]] = {}
        self.available = True  # As of the last call; before the first one there is nothing to report.

    async def run(self, name: ScriptName, *arguments: Argument) -> Any:
        """Run the script `name`.lua and return its answer.

        Raises:
            RegistryUnavailable: no answer within the deadline, or an error; the script may have run.
        """
        try:
            async with asyncio.timeout(self._deadline), self._free:
                answer = await self._evaluate(name, arguments)
        except TimeoutError:
            await self._drop_idle()
            raise self._failed(f"no answer within {self._deadline} s") from None
        except MovedError:
            raise self._failed(A_CLUSTER) from None
        except (RedisError, OSError, EOFError) as error:
            told = _told(error)
            raise self._failed(told if told == FULL else str(error), told) from error
        if not self.available:
            log.info("Redis is back")
            self.available = True
        return answer

    def source(self, name: ScriptName) -> tuple[str, str]:
        """The source of a script, and the SHA-1 digest by which Redis knows it."""
        if name not in self._sources:
            folder = resources.files("broker") / "lua"
            parts = ((folder / f"{file}.lua").read_text() for file in (*SHARED, name))
            source = self._keys.lua + "".join(parts)
            digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
            self._sources[name] = source, digest
        return self._sources[name]

    async def _evaluate(self, name: ScriptName, arguments: tuple[Argument, ...]) -> Any:
        source, digest = self.source(name)
        key = 1, self._keys.workers  # One key is enough to name the hash slot in which all of ours lie.
        try:
            return await self._redis.evalsha(digest, *key, *arguments)
        except NoScriptError:
            return await self._redis.eval(source, *key, *arguments)

    async def _drop_idle(self) -> None:
        """Close unused connections: a server that hangs may have been replaced, and they lead to it."""
        with suppress(RedisError, OSError):
            await self._redis.connection_pool.disconnect(inuse_connections=False)

    def _failed(self, why: str, told: str | None = None) -> RegistryUnavailable:
        """The error to raise; only the first one in a row is logged, and none that is part of a stop.

        `told` is what its text says instead of `why`: it goes to clients.
        """
        if self.available:
            level = logging.DEBUG if Stop.process_is_stopping() else logging.WARNING
            log.log(level, "Redis is away", why=why)
            self.available = False
        return RegistryUnavailable(f"Redis: {told or why}")

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()


def _told(error: Exception) -> str:
    """What clients are told: the texts of Redis and of the system name hosts, keys and our scripts."""
    for text, told in KNOWN_ERRORS.items():
        if text in str(error):
            return told
    return REFUSES if isinstance(error, ResponseError | AuthenticationError) else UNREACHABLE
