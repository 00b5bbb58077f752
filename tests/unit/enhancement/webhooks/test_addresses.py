"""Webhooks go to the internet, and nowhere else unless that is allowed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enhancement.webhooks.addresses import BadReceiver, check_url, find_receiver


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://127.1/x",
        "http://2130706433/",
        "http://[::1]:80/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://172.16.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://224.0.0.1/",
        "http://localhost/",
    ],
)
def test_private_addresses_are_refused(url: str) -> None:
    with pytest.raises(BadReceiver) as refused:
        find_receiver(url, private=False)
    assert not refused.value.is_final  # The setting may be changed.


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http:///x",
        "http://user:secret@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com/a b",
        "http://example.com/\r\nX-Evil: 1",
        "http://[::1/",
        "http://example.com/" + "a" * 3_000,
    ],
)
def test_what_is_no_receiver_is_never_tried_again(url: str) -> None:
    with pytest.raises(BadReceiver) as refused:
        find_receiver(url, private=True)
    assert refused.value.is_final
    assert "secret" not in str(refused.value)


def test_the_address_that_was_judged_is_the_one_to_connect_to() -> None:
    receiver = find_receiver("http://8.8.8.8:8080/hook?a=1", private=False)
    assert receiver.url == "http://8.8.8.8:8080/hook?a=1"
    assert receiver.host_header == "8.8.8.8:8080"
    inner = find_receiver("http://[::1]/hook", private=True)
    assert (inner.url, inner.host_header) == ("http://[::1]:80/hook", "[::1]")


@given(st.text())
def test_any_text_is_judged(url: str) -> None:
    with suppress(BadReceiver):
        assert check_url(url).hostname
