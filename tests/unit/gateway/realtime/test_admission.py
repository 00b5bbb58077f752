"""What is refused before the upgrade, without a socket."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig
from gateway.capacity.directory import WorkerSnapshot
from gateway.http import MAX_QUERY_BYTES
from gateway.realtime.admission import Admission, read_query


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

    async def get(self) -> WorkerSnapshot:
        """Nothing to see."""
        raise RegistryUnavailable("away")


def admitted(query: bytes, *allowed: str) -> SessionConfig:
    """What a query asks for, where clients may ask for these overflow strategies."""
    directory: Any = Away()
    return asyncio.run(Admission(directory, allowed).admit(read_query(query)))


def test_without_a_registry_only_the_query_is_judged() -> None:
    assert admitted(b"model=anything") == SessionConfig(model="anything")
    with pytest.raises(InvalidParameter):
        admitted(b"channels=9")


def test_only_what_describes_the_session_is_asked_for() -> None:
    query = b"session_id=mine&vocabulary=%5B%22a+b%26c%22%5D&token=secret&x=1&language=en"
    assert admitted(query) == SessionConfig(language="en", vocabulary=("a b&c",))


def test_only_what_the_server_allows_may_be_asked_for() -> None:
    assert admitted(b"overflow=queue", "reject", "queue").overflow == "queue"
    with pytest.raises(InvalidParameter, match="does not allow overflow=degrade") as refused:
        admitted(b"overflow=degrade", "reject", "queue")
    assert refused.value.param == "overflow"


@pytest.mark.parametrize(
    ("query", "default", "kept"),
    [
        (b"", False, None),
        (b"", True, True),
        (b"store=false", True, False),
        (b"store=true", False, True),
        (b"enhance_on_end=true", False, True),
        (b"enhance_on_end=true&store=false", False, True),
    ],
)
def test_a_session_is_kept_where_its_client_or_the_server_says_so(
    query: bytes, default: bool, kept: bool | None
) -> None:
    directory: Any = Away()
    admission = Admission(directory, (), store=default)
    assert asyncio.run(admission.admit(read_query(query))).store is kept


def test_metadata_have_two_kib_and_not_a_byte_more() -> None:
    def query(size: int) -> bytes:
        return b"metadata=" + json.dumps({"k": "x" * (size - 8)}, separators=(",", ":")).encode()

    assert len((admitted(query(2_048)).metadata or {})["k"]) == 2_040
    for bad in (query(2_049), b"metadata=[]", b"metadata={", b"metadata=", b'metadata={"k":"\\u0000"}'):
        with pytest.raises(InvalidParameter) as refused:
            admitted(bad)
        assert refused.value.param == "metadata"
