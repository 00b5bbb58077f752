"""What is refused before the upgrade, without a socket."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.directory import WorkerSnapshot
from gateway.realtime.admission import MAX_QUERY_BYTES, SessionRequest, admit, read_query


def test_a_query_is_decoded() -> None:
    assert read_query(b"model=fast&vocabulary=%5B%22Gr%C3%BC%C3%9Fe+du%22%5D&empty=") == {
        "model": "fast",
        "vocabulary": '["Grüße du"]',
        "empty": "",
    }
    assert read_query(b"") == {}
    assert read_query(b"tag=a&tag=b") == {"tag": "b"}  # what is not ours is ignored


@pytest.mark.parametrize(
    ("query", "param", "says"),
    [
        (b"model=fast&model=fast", "model", "more than once"),
        (b"%6dodel=fast&model=fast", "model", "more than once"),
        (b"model=%ff", "query", "UTF-8"),
        (b"model=\xff", "query", "UTF-8"),
        (b"x=" + b"y" * MAX_QUERY_BYTES, "query", "longer than"),
        (b"&".join(b"p%d=1" % n for n in range(101)), "query", "more than 100"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(query: bytes, param: str, says: str) -> None:
    with pytest.raises(InvalidParameter, match=says) as refused:
        read_query(query)
    assert refused.value.param == param


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(query: bytes) -> None:
    with contextlib.suppress(InvalidParameter):
        assert isinstance(read_query(query), dict)


class Away:
    """A directory whose Redis is away."""

    async def look(self) -> WorkerSnapshot:
        """Nothing to see."""
        raise RegistryUnavailable("away")


def test_without_a_registry_only_the_query_is_judged() -> None:
    wish = asyncio.run(admit(b"model=anything", Away(), "reject"))
    assert wish == SessionRequest(SessionConfig(model="anything"), "model=anything")
    with pytest.raises(InvalidParameter):
        asyncio.run(admit(b"channels=9", Away(), "reject"))


def test_only_what_describes_the_session_goes_on_to_the_worker() -> None:
    query = b"session_id=mine&vocabulary=%5B%22a+b%26c%22%5D&token=secret&x=1&language=en"
    wish = asyncio.run(admit(query, Away(), "reject"))
    assert wish.query == "language=en&vocabulary=%5B%22a+b%26c%22%5D"
    assert wish.config.vocabulary == ("a b&c",)


def test_only_what_the_server_allows_may_be_asked_for() -> None:
    wish = asyncio.run(admit(b"overflow=queue", Away(), "reject,queue"))
    assert wish.config.overflow == "queue"
    with pytest.raises(InvalidParameter, match="does not allow overflow=degrade") as refused:
        asyncio.run(admit(b"overflow=degrade", Away(), "reject,queue"))
    assert refused.value.param == "overflow"
