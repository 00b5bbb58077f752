"""Collects the fixtures of the tests that break something."""

from tests.support.redis_fixture import own_redis

__all__ = ["own_redis"]
