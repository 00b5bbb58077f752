"""The REST endpoints of the history, on both databases."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse

from gateway.api.byte_range import PIECE
from gateway.api.history import SESSIONS, HistoryApi
from gateway.api.history_params import AudioHeaders
from gateway.api.operation import routes_of
from gateway.auth.principal import LOCAL_USER
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.retention import SessionRemover
from storage.history.upkeep.session_files import RecordedFiles
from storage.history.writing.changes import NewUtterance
from storage.history.writing.session_history import SessionHistory
from storage.recordings.library import Recordings
from tests.support.auth_parts import open_guard
from tests.support.histories import (
    WRITTEN_S,
    MemoryFiles,
    MovedClock,
    begun,
    history_of,
    kept_session,
    written,
)

ID = f"{1:032x}"
WORDS = '[{"word":"Hello","start":0.0,"end":0.5},{"word":"world.","start":0.5,"end":1.0}]'


class Api:
    """The endpoints, called without a socket."""

    def __init__(self, database: Database, history: SessionHistory, files: MemoryFiles) -> None:
        self.history, self.files = history, files
        reader, editor = HistoryReader(database), SessionEditor(database)
        api = HistoryApi(history, reader, editor, SessionRemover(database, files), files, WRITTEN_S)
        self._app = Starlette(routes=routes_of(api, open_guard()))

    def call(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        """One call."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                return await http.request(method, SESSIONS + path, **more)

        return asyncio.run(ask())

    def call_at_once(self, *calls: tuple[str, str]) -> list[httpx.Response]:
        """Several calls at the same time."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                asked = (http.request(method, SESSIONS + path) for method, path in calls)
                return list(await asyncio.gather(*asked))

        return asyncio.run(ask())

    def get(self, path: str = "", **more: Any) -> Any:
        """The JSON of a GET."""
        response = self.call("GET", path, **more)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, method: str, path: str = "", **more: Any) -> tuple[int, str, str]:
        """Status, code and parameter of an error."""
        response = self.call(method, path, **more)
        error = response.json()["error"]
        assert error["message"]
        return response.status_code, error["code"], error.get("param", "")


@contextmanager
def api_of(database: Database, **audio: bytes) -> Iterator[Api]:
    with history_of(database, MovedClock()) as history:
        yield Api(database, history, MemoryFiles(**audio))


@pytest.fixture
def api(database: Database) -> Iterator[Api]:
    with api_of(database, **{ID: bytes(range(200))}) as found:
        yield found


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Api]:
    """The endpoints on SQLite alone, for what no database can change."""
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    with api_of(database, **{ID: bytes(range(200))}) as found:
        yield found
    database.close()


def test_a_session_is_described(api: Api) -> None:
    kept = begun(api.history, ID, model="tiny", metadata={"customer": "acme", "n": 1})
    kept.add_utterance(NewUtterance(number=1, text="Hello world.", start=0.0, end=1.0))
    kept.finish("ended", "normal", audio_seconds=2.5, speech_seconds=1.0)
    assert api.get(f"/{ID}") == {
        "session_id": ID,
        "status": "ended",
        "reason": "normal",
        "model": "tiny",
        "gateway": "g1",
        "begun_at": "2026-05-04T12:00:00.000Z",
        "ended_at": "2026-05-04T12:00:00.000Z",
        "audio_seconds": 2.5,
        "speech_seconds": 1.0,
        "utterances": 1,
        "words": 2,
        "resumes": 0,
        "failovers": 0,
        "lag": 0.0,
        "metadata": {"customer": "acme", "n": 1},
    }


def test_pages_go_on_where_the_one_before_ended(api: Api) -> None:
    for number in range(5):
        kept_session(api.history, number, "said", metadata={"even": number % 2 == 0})
        written(api.history)
    first = api.get(params={"limit": "2"})
    second = api.get(params={"limit": "2", "cursor": first["next_cursor"]})
    last = api.get(params={"limit": "2", "cursor": second["next_cursor"]})
    assert [int(s["session_id"], 16) for page in (first, second, last) for s in page["sessions"]] == [
        4, 3, 2, 1, 0,
    ]  # fmt: skip
    assert "next_cursor" not in last
    even = api.get(params={"metadata.even": "true", "begun_after": "2026-05-04T12:00:00+00:00"})
    assert [int(s["session_id"], 16) for s in even["sessions"]] == [4, 2, 0]
    assert api.get(params={"begun_before": "2026-05-04T12:00:00Z"}) == {"sessions": []}


def test_a_search_marks_what_it_found(api: Api) -> None:
    kept_session(api.history, 1, "Grüße aus Köln", "und der Rest")
    found = api.get(params={"search": '"koln" GRUSSE'})
    assert found["sessions"][0]["hits"] == [
        {
            "utterance": 1,
            "start": 0.0,
            "end": 1.0,
            "parts": [{"text": "Grüße", "hit": True}, {"text": " aus "}, {"text": "Köln", "hit": True}],
        }
    ]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"search": '"'}, "search"),
        ({"search": ""}, "search"),
        ({"search": "x" * 10_000}, "search"),
        ({"search": "a b c d e f g h i j k l m n o p q r s t u"}, "search"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "nowhere"}, "cursor"),
        ({"status": "fine"}, "status"),
        ({"begun_after": "yesterday"}, "begun_after"),
        ({"begun_before": "0001-01-01T00:00:00+14:00"}, "begun_before"),
        ({"metadata.k": "v" * 501}, "metadata.k"),
        ({"metadata.k": "\x00"}, "metadata.k"),
    ],
)
def test_a_bad_question_is_named(embedded: Api, params: dict[str, str], param: str) -> None:
    assert embedded.error("GET", params=params) == (400, "invalid_parameter", param)


@pytest.mark.parametrize(
    "bad", ["x", "A" * 32, "..%2F..%2Fetc%2Fpasswd", "a" * 33, "%00" * 32, "%F0%9F%98%80" * 32, "a/b"]
)
def test_no_other_id_touches_anything(embedded: Api, bad: str) -> None:
    for method, path in (("GET", ""), ("GET", "/audio"), ("GET", "/transcript"), ("DELETE", "")):
        assert embedded.error(method, f"/{bad}{path}") == (400, "invalid_parameter", "session_id")
    assert embedded.files.deleted == []


def test_a_session_that_is_not_there_is_said(api: Api) -> None:
    for method, path in (("GET", ""), ("GET", "/audio"), ("GET", "/export/srt"), ("DELETE", "")):
        assert api.error(method, f"/{'f' * 32}{path}") == (404, "unknown_session", "")


def test_the_transcript_has_all_utterances(api: Api) -> None:
    kept = begun(api.history, ID)
    kept.add_utterance(NewUtterance(number=1, text="Hello world.", start=0.0, end=1.0, words=WORDS))
    kept.add_utterance(NewUtterance(number=2, text="Bye.", confidence=0.5, speaker="A"))
    found = api.get(f"/{ID}/transcript")
    assert (found["source"], found["transcript"]) == ("live", "Hello world. Bye.")
    assert found["utterances"] == [
        {"utterance": 1, "text": "Hello world.", "start": 0.0, "end": 1.0, "words": json.loads(WORDS)},
        {"utterance": 2, "text": "Bye.", "confidence": 0.5, "speaker": "A"},
    ]
    kept.add_utterance(NewUtterance(number=1, text="Hello, world!", source="enhanced"))
    assert api.get(f"/{ID}/transcript")["source"] == "enhanced"
    assert api.get(f"/{ID}/transcript", params={"source": "live"})["transcript"] == "Hello world. Bye."
    assert api.error("GET", f"/{ID}/transcript?source=best") == (400, "invalid_parameter", "source")


def test_exports(api: Api) -> None:
    kept = begun(api.history, ID)
    kept.add_utterance(
        NewUtterance(number=1, text="Hello world.", start=0.0, end=1.0, words=WORDS, speaker="A")
    )

    def export(form: str) -> str:
        response = api.call("GET", f"/{ID}/export/{form}")
        assert response.headers["content-disposition"] == f'attachment; filename="{ID}.{form}"'
        return response.text

    assert export("txt") == "Hello world.\n"
    assert export("srt") == "1\n00:00:00,000 --> 00:00:01,000\nHello world.\n"
    assert export("vtt") == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello world.\n"
    assert json.loads(export("json"))["utterances"][0]["words"] == json.loads(WORDS)
    api.call("PATCH", f"/{ID}", json={"speakers": {"A": "Anna"}})
    assert export("txt") == "Anna: Hello world.\n"
    assert api.error("GET", f"/{ID}/export/pdf") == (400, "invalid_parameter", "format")


def test_a_session_without_words_exports_valid_files(api: Api) -> None:
    begun(api.history, ID)
    assert [api.call("GET", f"/{ID}/export/{form}").text for form in ("txt", "srt", "vtt")] == [
        "", "", "WEBVTT\n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "status", "part"),
    [
        (None, 200, (0, 200)),
        ("bytes=10-19", 206, (10, 20)),
        ("bytes=190-", 206, (190, 200)),
        ("bytes=190-9999", 206, (190, 200)),
        ("bytes=-5", 206, (195, 200)),
        ("bytes=-9999", 206, (0, 200)),
        ("bytes=5-3", 200, (0, 200)),
        ("bytes=1-2,5-6", 200, (0, 200)),
        ("lines=1-2", 200, (0, 200)),
    ],
)
def test_the_audio_comes_in_ranges(
    embedded: Api, header: str | None, status: int, part: tuple[int, int]
) -> None:
    begun(embedded.history, ID)
    headers = {"Range": header} if header else {}
    response = embedded.call("GET", f"/{ID}/audio", headers=headers)
    first, end = part
    assert (response.status_code, response.content) == (status, bytes(range(first, end)))
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers.get("content-range") == (
        f"bytes {first}-{end - 1}/200" if status == 206 else None
    )
    head = embedded.call("HEAD", f"/{ID}/audio", headers=headers)
    assert (head.status_code, head.headers["content-length"]) == (status, str(end - first))
    changed = embedded.call("GET", f"/{ID}/audio", headers=headers | {"If-Range": '"other"'})
    assert changed.status_code == 200


def test_a_range_behind_the_end_and_no_audio_at_all(embedded: Api) -> None:
    begun(embedded.history, ID)
    response = embedded.call("GET", f"/{ID}/audio", headers={"Range": "bytes=200-"})
    assert (response.status_code, response.headers["content-range"]) == (416, "bytes */200")
    embedded.files.audio.clear()
    assert embedded.error("GET", f"/{ID}/audio") == (404, "no_audio", "")


def test_title_and_speakers_are_changed(api: Api) -> None:
    begun(api.history, ID).add_utterance(NewUtterance(number=1, text="hi", speaker="A"))
    changed = api.call(
        "PATCH", f"/{ID}", json={"title": "Call", "speakers": {"A": "Anna", "B": "Ben"}}
    ).json()
    assert (changed["title"], changed["speakers"]) == ("Call", {"A": "Anna", "B": "Ben"})
    assert api.get(params={"speaker": "Anna"})["sessions"][0]["session_id"] == ID
    assert api.get(f"/{ID}/transcript")["utterances"][0]["speaker_name"] == "Anna"
    again = api.call("PATCH", f"/{ID}", json={"title": None, "speakers": {"A": None}}).json()
    assert ("title" in again, again["speakers"]) == (False, {"B": "Ben"})
    assert api.get(params={"speaker": "Anna"})["sessions"] == []
    assert api.get(params={"speaker": "A"})["sessions"] != []
    assert api.error("PATCH", f"/{'f' * 32}", json={"title": "x"}) == (404, "unknown_session", "")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b'{"status":"ended"}', "body"),
        (b'{"title":5}', "body"),
        (b'{"title":"a\\u0000"}', "body"),
        (json.dumps({"title": "x" * 201}).encode(), "title"),
        (json.dumps({"speakers": {"": "x"}}).encode(), "speakers"),
        (json.dumps({"speakers": {str(n): "x" for n in range(101)}}).encode(), "speakers"),
        (b" " * 70_000, "body"),
    ],
)
def test_a_bad_change_is_named(embedded: Api, body: bytes, param: str) -> None:
    assert embedded.error("PATCH", f"/{ID}", content=body) == (400, "invalid_parameter", param)


def test_a_session_is_deleted_after_its_end(api: Api) -> None:
    kept = begun(api.history, ID)
    assert api.error("DELETE", f"/{ID}") == (409, "session_active", "")
    kept.finish("ended", "normal", audio_seconds=1.0)
    api.files.broken = True
    assert api.error("DELETE", f"/{ID}") == (503, "files_unavailable", "")
    api.files.broken = False
    assert api.call("DELETE", f"/{ID}").json() == {"session_id": ID, "deleted": True}
    assert api.error("DELETE", f"/{ID}") == (404, "unknown_session", "")
    assert api.files.audio == {}


def test_of_two_deletes_at_once_one_is_done_and_the_other_finds_nothing(api: Api) -> None:
    kept_session(api.history, 1, "said")
    written(api.history)
    answers = api.call_at_once(*(("DELETE", f"/{ID}") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert api.error("GET", f"/{ID}") == (404, "unknown_session", "")


def test_a_recording_that_is_deleted_while_somebody_hears_it_is_heard_to_its_end(
    tmp_path: Path,
) -> None:
    sound = bytes(range(256)) * (4 * PIECE // 256)
    folder = tmp_path / "sessions" / ID
    folder.mkdir(parents=True)
    (folder / "audio.wav").write_bytes(sound)
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    with history_of(database) as history:
        kept_session(history, 1, "said")
        written(history)
        files = RecordedFiles(Recordings(str(tmp_path)))
        remover = SessionRemover(database, files)
        reader, editor = HistoryReader(database), SessionEditor(database)
        api = HistoryApi(history, reader, editor, remover, files)

        async def hear() -> bytes:
            answer = await api.audio(
                LOCAL_USER, ID, AudioHeaders(), Request({"type": "http", "method": "GET"})
            )
            assert isinstance(answer, StreamingResponse)
            pieces = answer.body_iterator
            heard = bytes(await anext(aiter(pieces)))  # type: ignore[arg-type]
            assert (await api.delete(LOCAL_USER, ID)).deleted
            assert not folder.exists()
            return heard + b"".join([bytes(piece) async for piece in pieces])  # type: ignore[arg-type]

        assert asyncio.run(hear()) == sound
    database.close()


def test_a_database_that_is_away_is_said(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'none' / 'history.db'}")
    api = Api(database, SessionHistory(database, "g1"), MemoryFiles())
    assert api.error("GET") == (503, "history_unavailable", "")
    database.close()


def test_a_database_that_is_locked_is_read_all_the_same(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'history.db'}")
    with api_of(database) as api:
        kept_session(api.history, 1, "before")
        written(api.history)
        locker = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        assert api.get(f"/{ID}")["status"] == "ended"
        assert api.error("DELETE", f"/{ID}") == (503, "history_unavailable", "")
        locker.close()
    database.close()
