"""Answers REST requests for the sessions that are kept: lists, transcripts, recordings, exports, changes."""

import asyncio
import os
from typing import IO, Annotated, Any, Final, Literal, get_args

from msgspec import UNSET, Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.api.byte_range import RangeNotSatisfiable, file_part, read_range
from gateway.api.history_answers import describe_page, describe_session, describe_transcript, export_session
from gateway.api.history_bodies import DeletedBody, SessionBody, SessionPageBody, TranscriptBody
from gateway.api.history_params import (
    AudioHeaders,
    PageParams,
    SessionEdit,
    SessionId,
    SourceParams,
    check_edit,
    page_query,
)
from gateway.api.operation import ApiError, operation
from gateway.auth.principal import Principal
from storage.history.reading.history_query import KeptUtterance
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.retention import SessionRemover, StillActive
from storage.history.upkeep.session_files import SessionFiles
from storage.history.writing.session_history import SessionHistory
from storage.tables import Source

SESSIONS: Final = "/v1/realtime/sessions"
SESSION: Final = SESSIONS + "/{session_id:path}"
WRITTEN_S: Final = 0.3  # Seconds for which an answer waits for what this gateway has not written yet.
AWAY: Final = "the history can't be read now"
UNKNOWN: Final = "no such session is kept"

ExportForm = Literal["txt", "json", "srt", "vtt"]
Form = Annotated[
    ExportForm,
    Meta(description="the format", extra={"must_be": "one of " + ", ".join(get_args(ExportForm))}),
]


class HistoryApi:
    """The endpoints of the session history."""

    def __init__(
        self,
        history: SessionHistory,
        reader: HistoryReader,
        editor: SessionEditor,
        remover: SessionRemover,
        files: SessionFiles,
        written: float = WRITTEN_S,
    ) -> None:
        """An answer waits `written` seconds for what this gateway has said and not written."""
        self._written = written
        self._history, self._reader, self._editor = history, reader, editor
        self._remover, self._files = remover, files

    @operation("GET", SESSIONS, scope="history", errors={503: AWAY})
    async def sessions(self, principal: Principal, query: PageParams) -> SessionPageBody:
        """A page of sessions, the youngest first."""
        asked = page_query(query, principal.id)
        await self._settle()
        page = await asyncio.to_thread(self._reader.page, asked)
        return describe_page(page, asked.words)

    @operation("GET", SESSION + "/transcript", scope="history", errors={404: UNKNOWN, 503: AWAY})
    async def transcript(
        self, principal: Principal, session_id: SessionId, query: SourceParams
    ) -> TranscriptBody:
        """What was said, with the times of it."""
        session = await self._find(principal, session_id)
        source, rows = await self._rows(session, query)
        return await asyncio.to_thread(describe_transcript, session, source, rows)

    @operation(
        "GET",
        SESSION + "/audio",
        scope="history",
        media="audio/wav",
        audited="download_audio",
        statuses={200: "The recording.", 206: "A part of it."},
        errors={404: "no such session, or no audio of it", 416: "the range is behind the end", 503: AWAY},
    )
    async def audio(
        self, principal: Principal, session_id: SessionId, headers: AudioHeaders, request: Request
    ) -> Response:
        """The recording, or a part of it."""
        session = await self._find(principal, session_id)
        try:
            file = await asyncio.to_thread(self._files.open_audio, session["id"])
        except FileNotFoundError:
            raise ApiError(404, "no_audio", "no audio of this session is kept") from None
        except OSError as error:
            text = f"the recording can't be read now: {error}"
            raise ApiError(503, "audio_unavailable", text) from None
        size = await asyncio.to_thread(_size_of, file)
        return _audio_reply(request.method, headers, file, size, f'"{session["id"]}-{size}"')

    @operation(
        "GET",
        SESSION + "/export/{format}",
        scope="history",
        audited="export",
        media="*/*",
        errors={404: UNKNOWN, 503: AWAY},
    )
    async def export(
        self,
        principal: Principal,
        session_id: SessionId,
        format: Form,  # noqa: A002 - the name in the path
        query: SourceParams,
    ) -> Response:
        """The transcript as a file."""
        session = await self._find(principal, session_id)
        source, rows = await self._rows(session, query)
        content, media_type = await asyncio.to_thread(export_session, session, source, rows, format)
        name = f'attachment; filename="{session["id"]}.{format}"'
        return Response(content, media_type=media_type, headers={"Content-Disposition": name})

    @operation("GET", SESSION, scope="history", errors={404: UNKNOWN, 503: AWAY})
    async def session(self, principal: Principal, session_id: SessionId) -> SessionBody:
        """One session."""
        return describe_session(await self._find(principal, session_id))

    @operation("PATCH", SESSION, scope="history", errors={404: UNKNOWN, 503: AWAY})
    async def edit(self, principal: Principal, session_id: SessionId, body: SessionEdit) -> SessionBody:
        """Change the title, or the names of speakers."""
        check_edit(body)
        await self._settle()
        known = True
        if body.title is not UNSET:
            known &= await asyncio.to_thread(
                self._editor.set_title, principal.id, session_id, body.title or None
            )
        if body.speakers is not UNSET:
            known &= await asyncio.to_thread(
                self._editor.name_speakers, principal.id, session_id, body.speakers
            )
        if not known:
            raise _unknown()
        return describe_session(await self._find(principal, session_id))

    @operation(
        "DELETE",
        SESSION,
        scope="history",
        audited="delete_session",
        errors={404: UNKNOWN, 409: "the session runs", 503: AWAY},
    )
    async def delete(self, principal: Principal, session_id: SessionId) -> DeletedBody:
        """Delete a session that is over, with its files."""
        await self._settle()
        try:
            known = await asyncio.to_thread(self._remover.delete, principal.id, session_id)
        except StillActive:
            text = "the session runs; it can be deleted after its end"
            raise ApiError(409, "session_active", text) from None
        except OSError as error:
            text = f"the session's files can't be deleted now: {error}"
            raise ApiError(503, "files_unavailable", text) from None
        if not known:
            raise _unknown()
        return DeletedBody(session_id, deleted=True)

    async def _settle(self) -> None:
        """Wait a moment for what this gateway has said and not written."""
        await asyncio.to_thread(self._history.wait_written, self._written)

    async def _find(self, principal: Principal, session_id: str) -> dict[str, Any]:
        await self._settle()
        session = await asyncio.to_thread(self._reader.session, principal.id, session_id)
        if session is None:
            raise _unknown()
        return session

    async def _rows(self, session: dict[str, Any], asked: SourceParams) -> tuple[Source, list[KeptUtterance]]:
        """The utterances that are asked for; without a wish the enhanced ones, where there are some."""
        number = session["number"]
        if asked.source is not UNSET:
            return asked.source, await asyncio.to_thread(self._read, number, asked.source)
        enhanced = await asyncio.to_thread(self._read, number, "enhanced")
        if enhanced:
            return "enhanced", enhanced
        return "live", await asyncio.to_thread(self._read, number, "live")

    def _read(self, number: int, source: Source) -> list[KeptUtterance]:
        """The utterances in the order in which they began: the database has them by channel."""
        rows = self._reader.utterances(number, source)
        if rows and rows[-1].channel:
            rows.sort(key=lambda row: row.start or 0.0)
        return rows


def _unknown() -> ApiError:
    return ApiError(404, "unknown_session", UNKNOWN)


def _size_of(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _audio_reply(method: str, asked: AudioHeaders, file: IO[bytes], size: int, tag: str) -> Response:
    headers = {"Accept-Ranges": "bytes", "ETag": tag}
    holds = asked.if_range in (UNSET, tag)
    try:
        part = read_range(asked.range if holds and asked.range is not UNSET else None, size)
    except RangeNotSatisfiable:
        file.close()
        text = f"the recording has {size} bytes"
        raise ApiError(416, "range_not_satisfiable", text, {"Content-Range": f"bytes */{size}"}) from None
    first, end = part or (0, size)
    headers["Content-Length"] = str(end - first)
    if part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    if method == "HEAD":
        file.close()
        return Response(None, 206 if part else 200, headers, media_type="audio/wav")
    return StreamingResponse(file_part(file, first, end), 206 if part else 200, headers, "audio/wav")
