"""Defines what may be asked of the session history, and says clearly what is wrong with it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dalston_realtime.protocol.errors import InvalidParameter
from storage.history.reading.history_query import BadCursor, HistoryQuery, PagePlace
from storage.history.search_words import search_words
from storage.history.tags import METADATA, SPEAKER
from storage.tables import Source, Status

PAGE: Final = 50  # Sessions of a page where the caller does not say.
MAX_PAGE: Final = 200  # Sessions of a page: some hundred KB.
MAX_SEARCH: Final = 200  # Characters of a search.
MAX_SEARCH_WORDS: Final = 20  # Words of a search.
MAX_VALUE: Final = 500  # Characters of a value that is looked for; longer ones are kept cut off.
MAX_TITLE: Final = 200  # Characters of a title, and of a speaker's name.
MAX_SPEAKERS: Final = 100  # Speakers that are named in one call.

_NO_NUL: Final = "^[^\\x00]*$"

SessionId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{32}$",
        description="the id of a session",
        extra={"must_be": "a session's id: 32 digits from 0 to f"},
    ),
]
TagValue = Annotated[
    str,
    Meta(
        max_length=MAX_VALUE,
        pattern=_NO_NUL,
        extra={"must_be": f"a text of at most {MAX_VALUE} characters without NUL"},
    ),
]
TagName = Annotated[
    str,
    Meta(
        max_length=len(METADATA) + MAX_TITLE,
        pattern="^metadata\\.[^\\x00]*$",
        extra={"must_be": f"the name of an entry of the metadata, of at most {MAX_TITLE} characters"},
    ),
]
Moment = Annotated[
    str,
    Meta(
        extra_json_schema={"format": "date-time"},
        description="a time such as 2026-05-04T12:00:00Z; without a zone it is in UTC",
    ),
]


class PageParams(msgspec.Struct, frozen=True):
    """Which sessions are wanted: those that fulfil all of it, the youngest first."""

    limit: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_PAGE,
            description="sessions of a page",
            extra={"must_be": f"a whole number from 1 to {MAX_PAGE}"},
        ),
    ] = PAGE
    cursor: Annotated[str, Meta(description="next_cursor of the page before")] | UnsetType = UNSET
    begun_after: Moment | UnsetType = UNSET
    begun_before: Moment | UnsetType = UNSET
    status: (
        Annotated[Status, Meta(extra={"must_be": "one of " + ", ".join(get_args(Status))})] | UnsetType
    ) = UNSET
    speaker: TagValue | UnsetType = UNSET
    search: (
        Annotated[
            str,
            Meta(
                max_length=MAX_SEARCH,
                description="words, which must all be in one utterance",
                extra={"must_be": f"a text of at most {MAX_SEARCH} characters"},
            ),
        ]
        | UnsetType
    ) = UNSET
    metadata: Annotated[
        dict[TagName, TagValue],
        Meta(description="`metadata.NAME` is the value that the entry NAME of the metadata has"),
    ] = {}


class SourceParams(msgspec.Struct, frozen=True):
    """Which transcript is wanted; where nothing is said the enhanced one, if there is one."""

    source: (
        Annotated[
            Source,
            Meta(
                description="where the transcript comes from",
                extra={"must_be": "one of " + ", ".join(get_args(Source))},
            ),
        ]
        | UnsetType
    ) = UNSET


class AudioHeaders(msgspec.Struct, frozen=True, rename={"if_range": "if-range"}):
    """Which part of a recording is wanted."""

    range: Annotated[str, Meta(description="a range of bytes: bytes=0-65535")] | UnsetType = UNSET
    if_range: Annotated[str, Meta(description="the ETag for which the range holds")] | UnsetType = UNSET


class SessionEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a PATCH may change; what is left out stays, and null takes a title or a name away."""

    title: Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TITLE})] | UnsetType | None = UNSET
    speakers: (
        Annotated[dict[str, str | None], Meta(extra_json_schema={"maxProperties": MAX_SPEAKERS})] | UnsetType
    ) = UNSET


def page_query(params: PageParams, principal: str) -> HistoryQuery:
    """The page of a principal's sessions that is asked for.

    Raises:
        InvalidParameter: a parameter has a bad value.
    """
    speaker = [] if params.speaker is UNSET else [(SPEAKER, params.speaker)]
    return HistoryQuery(
        principal=principal,
        limit=params.limit,
        after=_cursor(params.cursor),
        begun_from=_moment("begun_after", params.begun_after),
        begun_until=_moment("begun_before", params.begun_before),
        status=None if params.status is UNSET else params.status,
        tags=(*params.metadata.items(), *speaker),
        words=_words(params.search),
    )


def check_edit(edit: SessionEdit) -> None:
    """Check what the types do not say.

    Raises:
        InvalidParameter: a title or a name is too long, or has what the database can't keep.
    """
    if edit.title and len(edit.title) > MAX_TITLE:
        raise InvalidParameter("title", f"title has more than {MAX_TITLE} characters")
    if edit.speakers:
        _check_speakers(edit.speakers)
    if b"\\u0000" in msgspec.json.encode(edit):
        raise InvalidParameter("body", "the body must have no character NUL")


def _check_speakers(speakers: Mapping[str, str | None]) -> None:
    if len(speakers) > MAX_SPEAKERS:
        raise InvalidParameter("speakers", f"more than {MAX_SPEAKERS} speakers")
    for label, name in speakers.items():
        if not 0 < len(label) <= 100 or len(name or "") > MAX_TITLE:
            text = f"a speaker has a label of 1 to 100 characters and a name of at most {MAX_TITLE}"
            raise InvalidParameter("speakers", text)


def _cursor(text: str | UnsetType) -> PagePlace | None:
    if text is UNSET:
        return None
    try:
        return PagePlace.read(text)
    except BadCursor:
        raise InvalidParameter("cursor", "cursor must be next_cursor of a page before") from None


def _moment(name: str, text: str | UnsetType) -> datetime | None:
    if text is UNSET:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # A plus that nobody escaped.
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        text = f"{name} must be a time such as 2026-05-04T12:00:00Z, not {text[:40]!r}"
        raise InvalidParameter(name, text) from None


def _words(text: str | UnsetType) -> tuple[str, ...]:
    """The words of a search, each once."""
    if text is UNSET:
        return ()
    words = tuple(dict.fromkeys(search_words(text)))
    if not words:
        raise InvalidParameter("search", f"search has no letter or digit: {text!r}")
    if len(words) > MAX_SEARCH_WORDS:
        raise InvalidParameter("search", f"search has more than {MAX_SEARCH_WORDS} words")
    return words
