"""Listens to what the scripts publish in Redis and yields one announcement after the other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from redis.exceptions import RedisError

from broker.store.connection import connect, keys_of
from runtime.logs import get_logger

log = get_logger(__name__)

SILENCE_S: Final = 2.0  # Seconds without a message after which a ping shows whether the connection is alive.
RETRY_S: Final = 0.5  # Seconds until the next attempt to connect; a missed announcement is caught up then.
CONNECT_S: Final = 1.0  # Seconds for connecting, subscribing or a ping: the deadline of a call to Redis.


@dataclass(frozen=True, slots=True)
class WorkerOffline:
    """A worker was marked offline."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class SlotsChanged:
    """Slots are free for these sessions; if none is named, for any that wait."""

    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerConnected:
    """The listener is connected; what was announced before is lost."""


Announcement: TypeAlias = WorkerOffline | SlotsChanged | ListenerConnected


async def announcements(url: str) -> AsyncIterator[Announcement]:
    """Yield announcements for ever; after a loss of the connection it connects again."""
    redis, channel = connect(url, 1, CONNECT_S), keys_of(url).channel
    try:
        while True:
            try:
                async for announcement in _until_lost(redis, channel):
                    yield announcement
            except (RedisError, OSError, EOFError, TimeoutError) as error:
                log.debug("announcements: %s", error)
            await asyncio.sleep(RETRY_S)
    finally:
        await redis.aclose()


async def _until_lost(redis: Any, channel: str) -> AsyncIterator[Announcement]:
    async with redis.pubsub() as connection:
        async with asyncio.timeout(CONNECT_S):
            await connection.subscribe(channel)
        pinged = False
        while True:
            message = await connection.get_message(timeout=SILENCE_S)
            if message is None:
                if pinged:
                    raise TimeoutError
                async with asyncio.timeout(CONNECT_S):
                    await connection.ping()
            pinged = message is None
            if message and (announcement := read(message)) is not None:
                yield announcement


def read(message: dict[str, Any]) -> Announcement | None:
    """The announcement in a message of redis-py, or None."""
    if message["type"] == "subscribe":
        return ListenerConnected()
    if message["type"] != "message":
        return None
    kind, _, rest = str(message["data"]).partition(" ")
    if kind == "offline" and rest:
        return WorkerOffline(rest)
    return SlotsChanged(tuple(rest.split())) if kind == "places" else None
