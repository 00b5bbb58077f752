"""Collects the fixtures of the tests that use real sockets."""

from tests.support.databases import shared_postgres
from tests.support.gateway_process import _shared_gateway, gateway
from tests.support.redis_cluster import _shared_cluster, any_redis, own_cluster, shared_cluster
from tests.support.redis_fixture import _shared_redis, own_redis, shared_redis
from tests.support.s3_server import s3

__all__ = [
    "_shared_cluster",
    "_shared_gateway",
    "_shared_redis",
    "any_redis",
    "gateway",
    "own_cluster",
    "own_redis",
    "s3",
    "shared_cluster",
    "shared_postgres",
    "shared_redis",
]
