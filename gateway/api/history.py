"""Answers REST requests for the sessions that are kept: lists, transcripts, recordings, exports, changes."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import IO, Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.byte_range import RangeNotSatisfiable, file_part, read_range
from gateway.api.history_bodies import describe_page, describe_session, describe_transcript, export_session
from gateway.api.history_params import MAX_BODY, read_edit, read_page_query, read_source
from gateway.http import Reply, error_reply
from storage.database import DatabaseUnavailable
from storage.editing import SessionEditor
from storage.history import SessionHistory
from storage.history_reader import HistoryReader
from storage.recordings.errors import BadSessionId
from storage.recordings.layout import check_id
from storage.retention import SessionRemover, StillActive
from storage.session_files import SessionFiles
from storage.tables import LOCAL, Source

SESSIONS: Final = "/v1/realtime/sessions"
FORMATS: Final = ("txt", "json", "srt", "vtt")
WRITTEN_S: Final = 0.3  # Seconds for which an answer waits for what this gateway has not written yet.

Handler = Callable[[Request], Awaitable[Response]]


class UnknownSession(Exception):
    """There is no such session."""


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

    def routes(self) -> list[Route]:
        """The paths."""
        one = SESSIONS + "/{session_id:path}"
        return [
            Route(SESSIONS, _answered(self.sessions)),
            Route(one + "/transcript", _answered(self.transcript)),
            Route(one + "/audio", _answered(self.audio)),
            Route(one + "/export/{form}", _answered(self.export)),
            Route(one, _answered(self.session)),
            Route(one, _answered(self.edit), methods=["PATCH"]),
            Route(one, _answered(self.delete), methods=["DELETE"]),
        ]

    async def sessions(self, request: Request) -> Response:
        """A page of sessions, the youngest first."""
        query = read_page_query(request.query_params)
        await self._settle()
        page = await asyncio.to_thread(self._reader.page, query)
        return Reply(describe_page(page, query.words))

    async def session(self, request: Request) -> Response:
        """One session."""
        return Reply(describe_session(await self._find(request)))

    async def transcript(self, request: Request) -> Response:
        """What was said, with the times of it."""
        asked = read_source(request.query_params.get("source"))
        session = await self._find(request)
        source, rows = await self._rows(session, asked)
        return Reply(await asyncio.to_thread(describe_transcript, session, source, rows))

    async def export(self, request: Request) -> Response:
        """The transcript as a file."""
        form = request.path_params["form"]
        if form not in FORMATS:
            raise InvalidParameter("format", f"the format must be one of {', '.join(FORMATS)}")
        asked = read_source(request.query_params.get("source"))
        session = await self._find(request)
        source, rows = await self._rows(session, asked)
        content, media_type = await asyncio.to_thread(export_session, session, source, rows, form)
        name = f'attachment; filename="{session["id"]}.{form}"'
        return Response(content, media_type=media_type, headers={"Content-Disposition": name})

    async def audio(self, request: Request) -> Response:
        """The recording, or a part of it."""
        session = await self._find(request)
        try:
            file = await asyncio.to_thread(self._files.open_audio, session["id"])
        except FileNotFoundError:
            return error_reply(404, "no_audio", "no audio of this session is kept")
        except OSError as error:
            return error_reply(503, "audio_unavailable", f"the recording can't be read now: {error}")
        size = await asyncio.to_thread(_size_of, file)
        return _audio_reply(request, file, size, f'"{session["id"]}-{size}"')

    async def edit(self, request: Request) -> Response:
        """Change the title, or the names of speakers."""
        session_id = _session_id(request)
        edit = read_edit(await _body_of(request))
        await self._settle()
        known = True
        if isinstance(edit.title, str | None):
            known &= await asyncio.to_thread(self._editor.set_title, LOCAL, session_id, edit.title or None)
        if isinstance(edit.speakers, dict):
            known &= await asyncio.to_thread(self._editor.name_speakers, LOCAL, session_id, edit.speakers)
        if not known:
            raise UnknownSession
        return Reply(describe_session(await self._find(request)))

    async def delete(self, request: Request) -> Response:
        """Delete a session that is over, with its files."""
        session_id = _session_id(request)
        await self._settle()
        try:
            if not await asyncio.to_thread(self._remover.delete, LOCAL, session_id):
                raise UnknownSession
        except StillActive:
            return error_reply(409, "session_active", "the session runs; it can be deleted after its end")
        except OSError as error:
            return error_reply(503, "files_unavailable", f"the session's files can't be deleted now: {error}")
        return Reply({"session_id": session_id, "deleted": True})

    async def _settle(self) -> None:
        """Wait a moment for what this gateway has said and not written."""
        await asyncio.to_thread(self._history.wait_written, self._written)

    async def _find(self, request: Request) -> dict[str, Any]:
        session_id = _session_id(request)
        await self._settle()
        session = await asyncio.to_thread(self._reader.session, LOCAL, session_id)
        if session is None:
            raise UnknownSession
        return session

    async def _rows(self, session: dict[str, Any], asked: Source | None) -> tuple[Source, list[Any]]:
        """The utterances that are asked for; without a wish the enhanced ones, where there are some."""
        number, read = session["number"], self._reader.utterances
        if asked is not None:
            return asked, await asyncio.to_thread(read, number, asked)
        enhanced = await asyncio.to_thread(read, number, "enhanced")
        return ("enhanced", enhanced) if enhanced else ("live", await asyncio.to_thread(read, number, "live"))


def _answered(handler: Handler) -> Handler:
    """The handler, with an answer for each thing that may be wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except InvalidParameter as error:
            return error_reply(400, "invalid_parameter", error.message, param=error.param)
        except UnknownSession:
            return error_reply(404, "unknown_session", "no such session is kept")
        except DatabaseUnavailable as error:
            return error_reply(503, "history_unavailable", f"the history can't be read now: {error}")

    return answer


def _session_id(request: Request) -> str:
    """The id in the path, before anything is done with it."""
    session_id: str = request.path_params["session_id"]
    try:
        return check_id(session_id)
    except BadSessionId as error:
        raise InvalidParameter("session_id", f"{session_id[:80]!r} is no session's id: {error}") from None


async def _body_of(request: Request) -> bytes:
    body = b""
    async for data in request.stream():
        body += data
        if len(body) > MAX_BODY:
            raise InvalidParameter("body", f"the body is longer than {MAX_BODY} bytes")
    return body


def _size_of(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _audio_reply(request: Request, file: IO[bytes], size: int, tag: str) -> Response:
    headers = {"Accept-Ranges": "bytes", "ETag": tag}
    asked = request.headers.get("range")
    if request.headers.get("if-range", tag) != tag:
        asked = None
    try:
        part = read_range(asked, size)
    except RangeNotSatisfiable:
        file.close()
        reply = error_reply(416, "range_not_satisfiable", f"the recording has {size} bytes")
        reply.headers["Content-Range"] = f"bytes */{size}"
        return reply
    first, end = part or (0, size)
    headers["Content-Length"] = str(end - first)
    if part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    if request.method == "HEAD":
        file.close()
        return Response(None, 206 if part else 200, headers, media_type="audio/wav")
    return StreamingResponse(file_part(file, first, end), 206 if part else 200, headers, "audio/wav")
