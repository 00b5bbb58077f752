"""Reads the settings of the session router and of the embedded Redis."""

from pydantic import Field

from runtime.settings import DAY_S, Settings


class BrokerSettings(Settings):
    """What the broker reads, and the gateway, which calls it as a library."""

    heartbeat_timeout: float = Field(
        5.0,
        gt=0,
        le=300,
        description="seconds without a heartbeat until a worker counts as offline",
    )
    session_ttl: int = Field(
        3600,
        ge=1,
        le=366 * int(DAY_S),
        description="seconds for which the record of an ended session stays in Redis",
    )
    retry_after: float = Field(
        5.0,
        ge=0,
        le=DAY_S,
        description="seconds after which a refused client may try again, where nothing better is known",
    )

    queue_length: int = Field(
        100, ge=0, le=1000, description="sessions that may wait for a slot, on all gateways together"
    )


class WatchSettings(BrokerSettings):
    """What `python -m broker` reads."""

    watch_interval: float = Field(
        1.0, gt=0, le=2, description="seconds between two looks for workers that stopped beating"
    )


class EmbeddedRedisSettings(Settings):
    """What `python -m broker.store` reads."""

    redis_maxmemory: str = Field(
        "256mb",
        pattern=r"^[0-9]+(kb|mb|gb)$",
        description="memory limit of the embedded Redis; beyond it writes fail, nothing is evicted",
    )
