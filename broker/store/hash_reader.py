"""Reads Redis hashes whose values are bytes, over connections of its own."""

import asyncio
from typing import Any, Final

from redis.exceptions import RedisError

from broker.errors import RegistryUnavailable
from broker.store.connection import connect
from broker.store.redis_py import read_bytes

CONNECTIONS: Final = 2  # Only sessions that move to another gateway are read, and these are few at a time.
DEADLINE_S: Final = 1.0  # Seconds of one call, connecting included: a client waits for the answer.


class HashReader:
    """Reads hashes at the Redis of one URL. Connects when it is first needed, and again after a loss."""

    def __init__(self, url: str, deadline: float = DEADLINE_S) -> None:
        """Use the Redis at `url`; a call takes at most `deadline` seconds.

        Raises:
            StartupError: `url` is none that can be used.
        """
        self._deadline = deadline
        self._redis: Any = connect(url, CONNECTIONS, deadline)
        self._free = asyncio.Semaphore(CONNECTIONS)  # Calls wait here, not in the pool, as those of Scripts.

    async def read(self, key: str) -> dict[str, bytes]:
        """The fields of a hash; none where there is no such key.

        Raises:
            RegistryUnavailable: no answer within the deadline, or an error.
        """
        try:
            async with asyncio.timeout(self._deadline), self._free:
                answer = await read_bytes(self._redis, "HGETALL", key)
        except (RedisError, OSError, TimeoutError) as error:
            raise RegistryUnavailable(f"Redis: {error}") from error
        return {name.decode(): value for name, value in _pairs(answer)}

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _pairs(answer: Any) -> list[tuple[bytes, bytes]]:
    if isinstance(answer, dict):
        return list(answer.items())
    return list(zip(answer[::2], answer[1::2], strict=True))
