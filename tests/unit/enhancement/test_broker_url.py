"""The Redis of the server is Celery's broker, whichever kind it is."""

import pytest

from enhancement.broker_url import celery_broker


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("unix:///tmp/x/redis.sock", "redis+socket:///tmp/x/redis.sock"),
        ("unix:///tmp/a%20b/redis.sock?db=3", "redis+socket:///tmp/a%20b/redis.sock?virtual_host=3"),
        ("redis://:secret@host:6379/1", "redis://:secret@host:6379/1"),
        ("rediss://host:6379/1", "rediss://host:6379/1?ssl_cert_reqs=required"),
        ("rediss://host/1?ssl_cert_reqs=none", "rediss://host/1?ssl_cert_reqs=none"),
        ("redis+sentinel://a:1,b/main/2", "sentinel://a:1/2;sentinel://b:26379/2"),
        ("redis+cluster://a:1,b:2", "memory://"),
    ],
)
def test_the_url_is_translated(url: str, broker: str) -> None:
    assert celery_broker(url).url == broker


def test_sentinels_are_asked_for_the_service() -> None:
    assert celery_broker("redis+sentinel://a:1/main/2").options["master_name"] == "main"


def test_all_keys_have_the_prefix() -> None:
    assert celery_broker("redis://host").options["global_keyprefix"] == "dalston:enhance:"


def test_another_broker_may_be_named() -> None:
    assert celery_broker("redis://host", "amqp://other") == ("amqp://other", {})
