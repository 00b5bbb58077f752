"""Forms with a file, as no client writes them."""

import asyncio
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.operation import ApiError
from gateway.api.transcription_form import read_form
from gateway.api.transcriptions import ignored_header
from gateway.api.upload import uploaded_form

KIND: Final = b"multipart/form-data; boundary=b"
FILE: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nsound\r\n'
END: Final = b"--b--\r\n"


def field(name: str, value: str = "x") -> bytes:
    """One field of a form."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def read(kind: bytes, body: bytes, size: int = 50) -> tuple[tuple[str, str], ...]:
    """The fields of a form that comes in pieces of `size` bytes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0) if pieces else b"", "more_body": bool(pieces)}

    async def main() -> tuple[tuple[str, str], ...]:
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
        async with uploaded_form(Request(scope, receive), 1 << 16) as form:
            assert form.digest()
            return form.fields

    return asyncio.run(main())


PARTS = st.sampled_from(
    [
        *(FILE, END, b"--b\r\n", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data; ", b'name="', b'"'),
        *(
            b"filename*=utf-8''%ff",
            b"Content-Type: ",
            b"\\ud800",
            b"\x00",
            field("prompt[\u65e5]"),
            field("model"),
        ),
    ]
)
KINDS = st.sampled_from([KIND, b"multipart/form-data", b"", KIND + b"; charset=", KIND + b"; x"]) | st.binary(
    max_size=9
)
CHARSETS = st.sampled_from([b"", b"utf-8", b"unicode_escape", b"undefined", b"utf-16", b"idna"])


# The library leaves a part that was not complete to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(
    st.tuples(KINDS, CHARSETS).map(b"".join),
    st.lists(PARTS | st.binary(max_size=9), max_size=8).map(b"".join),
    st.integers(1, 50),
)
@example(KIND + b"; charset=undefined", FILE + field("model") + END, 50)
def test_any_body_is_a_form_or_refused(kind: bytes, body: bytes, size: int) -> None:
    with suppress(InvalidParameter, ApiError):
        asked = read_form(read(kind, body, size))
        "".join(ignored_header(asked).values()).encode("ascii")
        "".join(asked.ignored).encode()


def test_no_name_of_a_field_gets_into_a_header() -> None:
    fields = read(KIND, FILE + field("prompt[\u65e5]") + field("prompt") + field("temperature") + END)
    assert ignored_header(read_form(fields)) == {"X-Ignored": "prompt,temperature"}


def test_a_form_that_is_none_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidParameter):
        read(KIND, b"no boundary")
    assert caplog.records == []


@pytest.mark.parametrize("charset", [b"unicode_escape", b"undefined", b"utf-16", b""])
def test_a_form_in_another_character_set_is_refused(charset: bytes) -> None:
    with pytest.raises(InvalidParameter, match="UTF-8"):
        read(KIND + b"; charset=" + charset, FILE + field("prompt[\\r\\nX-Other: 1") + END)
