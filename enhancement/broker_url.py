"""Translates the URL of the server's Redis into what Celery's transport understands."""

from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from broker.store.url import CLUSTER, SENTINEL, SENTINEL_PORT, hosts, split

PREFIX: Final = "dalston:enhance:"  # Of all keys that Celery has in Redis.
IN_PROCESS: Final = "memory://"
VISIBILITY_S: Final = 3_600
"""Seconds after which Redis gives a message again that nobody has confirmed. It may be shorter than a stage:
who gets the message finds that somebody has the job, and leaves."""

SOCKET_S: Final = 10.0  # Seconds for an answer of Redis, so that a broken connection is noticed.


class CeleryBroker(NamedTuple):
    """The URL of a broker, and the options of its transport."""

    url: str
    options: dict[str, Any]


def celery_broker(redis_url: str, broker_url: str | None = None) -> CeleryBroker:
    """Celery's broker: `broker_url`, or the Redis of the server.

    Celery has no transport for a Redis Cluster: there each enhancer has a queue of its own, which works as
    well, since the database says who has a job.
    """
    if broker_url is not None:
        return CeleryBroker(broker_url, {})
    parts = split(redis_url)
    if parts.scheme in CLUSTER:
        return CeleryBroker(IN_PROCESS, {})
    options = {
        "global_keyprefix": PREFIX,
        "visibility_timeout": VISIBILITY_S,
        "socket_timeout": SOCKET_S,
        "socket_connect_timeout": SOCKET_S,
    }
    if parts.scheme == "unix":
        return CeleryBroker(_socket_url(parts.path, parts.query), options)
    if parts.scheme == SENTINEL:
        service, _, database = parts.path.strip("/").partition("/")
        url = _sentinel_url(redis_url, database)
        return CeleryBroker(url, options | {"master_name": service})
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parts.query:
        joint = "&" if parts.query else "?"
        return CeleryBroker(f"{redis_url}{joint}ssl_cert_reqs=required", options)
    return CeleryBroker(redis_url, options)


def _socket_url(path: str, query: str) -> str:
    wanted = dict(pair.partition("=")[::2] for pair in query.split("&"))
    url = f"redis+socket://{quote(unquote(path))}"
    return f"{url}?virtual_host={wanted['db']}" if wanted.get("db") else url


def _sentinel_url(url: str, database: str) -> str:
    addresses, _ = hosts(url, SENTINEL_PORT)
    return ";".join(f"sentinel://{host}:{port}/{database}".rstrip("/") for host, port in addresses)
