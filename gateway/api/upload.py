"""Reads a form with a file, of any size up to a bound, and keeps the file on the disk meanwhile."""

import asyncio
import hashlib
import logging
import mimetypes
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.operation import ApiError

# It writes a line for each form that is none, and the client is told.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

MAX_FIELDS: Final = 100  # Fields of a form beside the file.
MAX_FIELD_BYTES: Final = 65_536  # Bytes of such a field.
CHARSETS: Final = (b"utf-8", b"us-ascii")
BLOCK: Final = 1 << 20  # Bytes that are read of the file at once.


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """The fields of a form, and its file, open until the form is left."""

    fields: tuple[tuple[str, str], ...]
    file: IO[bytes]
    suffix: str  # Such as ".mp3"; it is what the client says.

    def digest(self) -> str:
        """The SHA-256 of the file, in hexadecimal digits. Blocks."""
        self.file.seek(0)
        digest = hashlib.sha256()
        while data := self.file.read(BLOCK):
            digest.update(data)
        self.file.seek(0)
        return digest.hexdigest()


@asynccontextmanager
async def uploaded_form(request: Request, max_bytes: int) -> AsyncIterator[UploadedForm]:
    """The form in a request's body.

    Raises:
        InvalidParameter: it is no form, is incomplete, or has no file or an empty one.
        ApiError: it has more than `max_bytes`.
    """
    _check_kind(request.headers.get("content-type", ""))
    parser = MultiPartParser(
        request.headers,
        _bounded(request, max_bytes),
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise InvalidParameter("body", f"the body is no form with one file: {error.message}") from None
    except ClientDisconnect:
        raise InvalidParameter("body", "the body is incomplete") from None
    try:
        yield _read(form.multi_items())
    finally:
        await form.close()


@asynccontextmanager
async def uploaded_body(request: Request, max_bytes: int) -> AsyncIterator[UploadedForm]:
    """The file that a request's body is.

    Raises:
        InvalidParameter: it is empty or incomplete.
        ApiError: it has more than `max_bytes`.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with SpooledTemporaryFile(max_size=BLOCK) as file:
        try:
            async for data in _bounded(request, max_bytes):
                await asyncio.to_thread(file.write, data)
        except ClientDisconnect:
            raise InvalidParameter("body", "the body is incomplete") from None
        if not file.tell():
            raise InvalidParameter("body", "the body must be the file")
        yield UploadedForm((), file, mimetypes.guess_extension(media) or "")


def _check_kind(content_type: str) -> None:
    """Refuse what is no form, and one in another character set: some make line breaks out of plain letters.

    Raises:
        InvalidParameter: it is such a one.
    """
    kind, parameters = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise InvalidParameter(
            "body", "the body must be a form, multipart/form-data, with the audio in the field file"
        )
    if parameters.get(b"charset", b"utf-8").lower() not in CHARSETS:
        raise InvalidParameter("body", "the form must be in UTF-8: leave charset out")


async def _bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > max_bytes:
        raise _too_large(max_bytes)
    received = 0
    async for data in request.stream():
        received += len(data)
        if received > max_bytes:
            raise _too_large(max_bytes)
        yield data


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, "upload_too_large", f"the body has more than {max_bytes} bytes")


def _read(items: list[tuple[str, UploadFile | str]]) -> UploadedForm:
    fields = tuple((name, value) for name, value in items if isinstance(value, str))
    files = [value for name, value in items if isinstance(value, UploadFile) and name == "file"]
    if not files:
        raise InvalidParameter("file", "the form has no field file with the audio as a file")
    if not files[0].size:
        raise InvalidParameter("file", "the file is empty")
    return UploadedForm(fields, files[0].file, PurePath(files[0].filename or "").suffix.lower())
