"""Reads what is asked of the session history, and says clearly what is wrong with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

import msgspec
from starlette.requests import Request

from dalston_realtime.protocol.errors import InvalidParameter
from storage.history_query import BadCursor, HistoryQuery, PagePlace
from storage.search_words import search_words
from storage.session_files import SESSION_ID
from storage.tables import Source, Status
from storage.tags import METADATA, SPEAKER

PAGE: Final = 50  # Sessions of a page where the caller does not say.
MAX_PAGE: Final = 200  # Sessions of a page: some hundred KB.
MAX_SEARCH: Final = 200  # Characters of a search.
MAX_SEARCH_WORDS: Final = 20  # Words of a search.
MAX_VALUE: Final = 500  # Characters of a value that is looked for; longer ones are kept cut off.
MAX_TITLE: Final = 200  # Characters of a title, and of a speaker's name.
MAX_SPEAKERS: Final = 100  # Speakers that are named in one call.
MAX_BODY: Final = 65_536  # Bytes of a change: a title and the names of 100 speakers.


class SessionEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a PATCH may change; what is left out stays."""

    title: str | msgspec.UnsetType | None = msgspec.UNSET
    speakers: dict[str, str | None] | msgspec.UnsetType = msgspec.UNSET


def read_page_query(params: Mapping[str, str]) -> HistoryQuery:
    """The page that is asked for.

    Raises:
        InvalidParameter: a parameter has a bad value.
    """
    return HistoryQuery(
        limit=_limit(params.get("limit", str(PAGE))),
        after=_cursor(params.get("cursor")),
        begun_from=_moment(params, "begun_after"),
        begun_until=_moment(params, "begun_before"),
        status=_status(params.get("status")),
        tags=tuple(_tags(params)),
        words=_words(params.get("search")),
    )


def read_source(text: str | None) -> Source | None:
    """Which transcript is asked for.

    Raises:
        InvalidParameter: there is none of this name.
    """
    for source in get_args(Source):
        if text == source:
            return source  # type: ignore[no-any-return]
    if text is None:
        return None
    raise InvalidParameter("source", f"source must be live or enhanced, not {text[:40]!r}")


def read_edit(body: bytes) -> SessionEdit:
    """The change that a body asks for.

    Raises:
        InvalidParameter: it is none, or too long.
    """
    try:
        edit = msgspec.json.decode(body, type=SessionEdit)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidParameter("body", f"the body is no change of a session: {error}") from None
    if edit.title and len(edit.title) > MAX_TITLE:
        raise InvalidParameter("title", f"title has more than {MAX_TITLE} characters")
    if edit.speakers:
        _check_speakers(edit.speakers)
    _check_nul(edit)
    return edit


def _check_speakers(speakers: Mapping[str, str | None]) -> None:
    if len(speakers) > MAX_SPEAKERS:
        raise InvalidParameter("speakers", f"more than {MAX_SPEAKERS} speakers")
    for label, name in speakers.items():
        if not 0 < len(label) <= 100 or len(name or "") > MAX_TITLE:
            text = f"a speaker has a label of 1 to 100 characters and a name of at most {MAX_TITLE}"
            raise InvalidParameter("speakers", text)


def _check_nul(edit: SessionEdit) -> None:
    if b"\\u0000" in msgspec.json.encode(edit):
        raise InvalidParameter("body", "the body must have no character NUL")


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_PAGE:
        return int(text)
    raise InvalidParameter("limit", f"limit must be a whole number from 1 to {MAX_PAGE}, not {text[:40]!r}")


def _cursor(text: str | None) -> PagePlace | None:
    if text is None:
        return None
    try:
        return PagePlace.read(text)
    except BadCursor:
        raise InvalidParameter("cursor", "cursor must be next_cursor of a page before") from None


def _moment(params: Mapping[str, str], name: str) -> datetime | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # A plus that nobody escaped.
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        text = f"{name} must be a time such as 2026-05-04T12:00:00Z, not {text[:40]!r}"
        raise InvalidParameter(name, text) from None


def _status(text: str | None) -> str | None:
    if text is None or text in get_args(Status):
        return text
    names = ", ".join(get_args(Status))
    raise InvalidParameter("status", f"status must be one of {names}, not {text[:40]!r}")


def _tags(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(name, value) for name, value in params.items() if name.startswith(METADATA) or name == SPEAKER]
    for name, value in found:
        if "\x00" in name + value or len(value) > MAX_VALUE or len(name) > len(METADATA) + MAX_TITLE:
            raise InvalidParameter(
                name[:80], f"{name[:80]} must have at most {MAX_VALUE} characters, and no NUL"
            )
    return found


def _words(text: str | None) -> tuple[str, ...]:
    """The words of a search, each once."""
    if text is None:
        return ()
    if len(text) > MAX_SEARCH:
        raise InvalidParameter("search", f"search has more than {MAX_SEARCH} characters")
    words = tuple(dict.fromkeys(search_words(text)))
    if not words:
        raise InvalidParameter("search", f"search has no letter or digit: {text!r}")
    if len(words) > MAX_SEARCH_WORDS:
        raise InvalidParameter("search", f"search has more than {MAX_SEARCH_WORDS} words")
    return words


def session_id_of(request: Request) -> str:
    """The id in the path, before anything is done with it.

    Raises:
        InvalidParameter: it is none.
    """
    session_id: str = request.path_params["session_id"]
    if SESSION_ID.fullmatch(session_id) is None:
        raise InvalidParameter("session_id", f"{session_id[:80]!r} is no session's id: 32 digits from 0 to f")
    return session_id


async def body_of(request: Request) -> bytes:
    """The body of a request.

    Raises:
        InvalidParameter: it is too long.
    """
    body = b""
    async for data in request.stream():
        body += data
        if len(body) > MAX_BODY:
            raise InvalidParameter("body", f"the body is longer than {MAX_BODY} bytes")
    return body
