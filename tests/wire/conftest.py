"""The fixtures of the tests that use real sockets."""

from tests.redis_fixture import _shared_redis, own_redis, shared_redis
from tests.wire.gateway_process import _shared_gateway, gateway

__all__ = ["_shared_gateway", "_shared_redis", "gateway", "own_redis", "shared_redis"]
