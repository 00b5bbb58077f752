"""Collects the fixtures of the tests that look at pages in a browser."""

from collections.abc import Iterator

import pytest

from tests.support.page_server import PageServer, page_server
from tests.support.redis_fixture import RedisServer, _shared_redis

__all__ = ["_shared_redis"]


@pytest.fixture(scope="module")
def server(_shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """A server and a browser that the tests of a file share."""
    with _shared_redis.client() as client:
        client.flushall()
    with page_server(_shared_redis, tmp_path_factory.mktemp("pages")) as started:
        yield started
