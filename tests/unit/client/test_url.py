"""Checks the URLs of the endpoints."""

import pytest

from dalston_realtime.client.errors import UsageError
from dalston_realtime.client.url import is_loopback, rest_url, stream_url

PATH = "/v1/audio/transcriptions/stream"


@pytest.mark.parametrize(
    ("base", "stream"),
    [
        ("ws://host:8000", f"ws://host:8000{PATH}"),
        ("localhost:8000", f"ws://localhost:8000{PATH}"),
        ("host", f"ws://host{PATH}"),
        ("[::1]:8000", f"ws://[::1]:8000{PATH}"),
        ("http://host:8000/", f"ws://host:8000{PATH}"),
        ("https://host", f"wss://host{PATH}"),
        ("wss://host/speech/", f"wss://host/speech{PATH}"),
        (f"ws://[::1]:8000{PATH}?model=x", f"ws://[::1]:8000{PATH}"),
    ],
)
def test_the_stream_url_is_under_the_base(base: str, stream: str) -> None:
    assert stream_url(base, {}) == stream


def test_parameters_are_spelled_as_the_protocol_has_them() -> None:
    parameters = {"model": "a b", "timing": True, "vocabulary": ["Pozzo", "é"], "language": None}

    query = stream_url("ws://host", parameters).partition("?")[2]

    assert query == "model=a+b&timing=true&vocabulary=%5B%22Pozzo%22%2C+%22%C3%A9%22%5D"


def test_rest_urls_use_http() -> None:
    assert rest_url("ws://host:1", "/v1/models") == "http://host:1/v1/models"
    assert rest_url("wss://host/base", "/v1/models") == "https://host/base/v1/models"


@pytest.mark.parametrize("base", ["", ":8000", "host:port", "ftp://host", "ws://", "ws://h:99999", "ws://["])
def test_what_is_no_url_is_a_usage_error(base: str) -> None:
    with pytest.raises(UsageError, match=r"ws://127\.0\.0\.1:8000"):
        stream_url(base, {})


def test_loopback_is_known_by_name_and_by_address() -> None:
    assert all(is_loopback(f"ws://{host}:1") for host in ("localhost", "127.0.0.2", "[::1]"))
    assert is_loopback("localhost:8000")
    assert not any(is_loopback(f"ws://{host}") for host in ("example.org", "10.0.0.1"))
