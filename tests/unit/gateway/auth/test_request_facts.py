"""The client's address and where a request comes from, whatever its headers claim."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.request_facts import RequestFacts, client_address, is_loopback_host, is_loopback_origin
from tests.support.auth_parts import connection

PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.66, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("fd00::1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(peer: str, forwarded: str, address: str) -> None:
    asked = connection(("X-Forwarded-For", forwarded), client=peer)
    assert client_address(asked, PROXIES) == address
    assert client_address(asked) == peer


def test_chains_may_come_in_several_headers() -> None:
    headers = [("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "198.51.100.1")]
    assert client_address(connection(*headers, client="10.0.0.1"), PROXIES) == "198.51.100.1"


def test_facts_of_a_request() -> None:
    asked = connection(("Host", "a:1"), ("Origin", "http://b"), ("Forwarded", "for=x"))
    assert RequestFacts.of(asked) == RequestFacts("a:1", "http://b", "127.0.0.1", is_forwarded=True)


@pytest.mark.parametrize(
    ("headers", "embedded"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),  # A link that was clicked.
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket", "Origin": "http://b"}, False),
        ({}, False),
    ],
)
def test_what_a_page_of_another_site_embeds_is_noticed(headers: dict[str, str], embedded: bool) -> None:
    assert RequestFacts.of(connection(*headers.items())).is_embedded == embedded


def test_names_of_this_machine() -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1:1", "127.8.8.8", "[::1]", "[::1]:9"):
        assert is_loopback_host(host)
        assert is_loopback_origin(f"http://{host}")
    assert not is_loopback_host(None)
    for host in ("", "localhost.evil.test", "evil.test:8000", "10.0.0.1", "[::1", "0.0.0.0", "[::]:1"):
        assert not is_loopback_host(host)
    for origin in ("null", "file://", "", "http://evil.test", "chrome-extension://localhost", "localhost"):
        assert not is_loopback_origin(origin)


@given(st.text(max_size=80))
def test_no_header_is_too_strange(text: str) -> None:
    value = text.encode("utf-8", "replace").decode("latin-1")
    asked = connection(("Host", text), ("Origin", text), ("X-Forwarded-For", text), client="10.0.0.1")
    ipaddress.ip_address(RequestFacts.of(asked, PROXIES).address)
    for each in (text, value):
        assert is_loopback_origin(f"http://{each}") == is_loopback_host(each)
