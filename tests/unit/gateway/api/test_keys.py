"""Keys over HTTP: who may make them, what is shown of them, and to whom things belong."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette

from broker.usage import UsageCounters
from gateway.api.history import HistoryApi
from gateway.api.keys import KeyApi
from gateway.api.operation import routes_of
from gateway.api.rest import RestApi
from gateway.auth.audit_log import FILE, AuditLog
from gateway.auth.authenticator import Authenticator
from gateway.auth.key_directory import KeyDirectory
from gateway.auth.request_guard import RequestGuard
from storage.api_keys.key_store import KeyStore
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.retention import SessionRemover
from tests.support.histories import MemoryFiles, begun, history_of, written
from tests.support.memory_counters import MemoryCounters

ID = f"{1:032x}"
SESSION = f"/v1/realtime/sessions/{ID}"
FAR = {"Host": "example.org", "Origin": "https://example.org"}


class Server:
    """A gateway's REST interface on a database, without a socket."""

    def __init__(self, folder: Path, *, open_to_local: bool = True) -> None:
        self.database = Database(f"sqlite:///{folder / 'history.db'}")
        self.database.migrate()
        self.keys, self._folder = KeyStore(self.database), folder
        self.counters = MemoryCounters()
        directory = KeyDirectory(self.keys, lambda: 0.0)  # Every look is the first one.
        authenticator = Authenticator(directory, open_to_local=open_to_local)
        guard = RequestGuard(authenticator, AuditLog(folder), open_paths=())
        reader, editor, files = HistoryReader(self.database), SessionEditor(self.database), MemoryFiles()
        with history_of(self.database) as history:
            api = HistoryApi(history, reader, editor, SessionRemover(self.database, files), files, 0.0)
        self.files = files
        apis = (api, KeyApi(self.keys, guard, cast(UsageCounters, self.counters)), object.__new__(RestApi))
        self._app = Starlette(routes=[route for each in apis for route in routes_of(each, guard)])

    def call(self, method: str, path: str, key: str = "", **more: Any) -> httpx.Response:
        """One call with a key."""
        headers = {"Host": "localhost", **more.pop("headers", {})}
        if key:
            headers["Authorization"] = f"Bearer {key}"

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                return await http.request(method, path, headers=headers, **more)

        return asyncio.run(ask())

    def status(self, method: str, path: str, key: str = "", **more: Any) -> int:
        """The status of a call."""
        return self.call(method, path, key, **more).status_code

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The lines of the audit log."""
        return [json.loads(line) for line in (self._folder / FILE).read_text().splitlines()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server without keys, on loopback."""
    started = Server(tmp_path)
    yield started
    started.database.close()


def test_the_first_key_is_made_by_the_user_of_this_machine_and_closes_the_server(server: Server) -> None:
    made = server.call(
        "POST", "/v1/keys", json={"name": "me", "scopes": ["admin"], "limits": {"sessions": 2}}
    )
    assert made.status_code == 201
    body = made.json()
    assert body["key"].startswith("dk_")
    assert (body["name"], body["scopes"], body["limits"]) == ("me", ["admin"], {"sessions": 2})
    assert server.status("GET", "/v1/keys") == 401
    listed = server.call("GET", "/v1/keys", body["key"], headers=FAR)
    assert listed.status_code == 200
    assert "dk_" not in listed.text
    assert [each["key_id"] for each in listed.json()["keys"]] == [body["key_id"]]
    assert listed.json()["keys"][0]["use"] == {"sessions": 0, "audio_seconds_today": 0}
    server.counters.is_away = True
    assert "use" not in server.call("GET", "/v1/keys", body["key"]).json()["keys"][0]
    assert server.status("DELETE", f"/v1/keys/{body['key_id']}", body["key"]) == 200
    assert server.status("GET", "/v1/keys", body["key"]) == 401
    assert server.status("GET", "/v1/keys") == 401
    assert [line["action"] for line in server.audit][:3] == ["create_key", "login_failed", "revoke_key"]
    assert body["key"] not in (server._folder / FILE).read_text()
    assert (server._folder / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "limits": {"sessions": 0}},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2099-01-01"},
        {"name": "x", "expires_at": "9999-12-31T23:59:59-14:00"},
        {"name": "a\nb"},
    ],
)
def test_a_key_that_makes_no_sense_is_refused(server: Server, body: dict[str, Any]) -> None:
    assert server.status("POST", "/v1/keys", json=body) == 400
    assert server.keys.list() == []


@pytest.mark.parametrize("headers", [{"Host": "evil.test"}, {"Origin": "http://evil.test"}])
def test_a_page_of_another_site_drains_no_worker(server: Server, headers: dict[str, str]) -> None:
    answer = server.call("POST", "/v1/realtime/workers/w1/drain?seconds=0", headers=headers, content="x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def test_a_key_does_what_its_scopes_say(server: Server) -> None:
    _, phone = server.keys.create("phone", ["transcribe"])
    _, reader = server.keys.create("reader", ["history"])
    for path in ("/v1/keys", "/v1/realtime/workers", "/metrics", "/v1/realtime/sessions"):
        assert server.status("GET", path, phone) == 403
    assert server.status("GET", "/v1/realtime/sessions", reader) == 200
    assert server.status("GET", "/v1/models", reader) == 403
    assert server.status("GET", "/healthz") == 200


def test_what_belongs_to_another_key_is_not_there(server: Server) -> None:
    owner, mine = server.keys.create("owner", ["history"])
    _, other = server.keys.create("other", ["history"])
    _, admin = server.keys.create("admin", ["admin", "history"])
    with history_of(server.database) as history:
        begun(history, ID, principal=owner.id).finish("ended", "normal", audio_seconds=1.0)
        written(history)
    assert server.call("GET", "/v1/realtime/sessions", mine).json()["sessions"][0]["session_id"] == ID
    assert server.call("GET", "/v1/realtime/sessions", other).json()["sessions"] == []
    for path in ("", "/transcript", "/audio", "/export/txt"):
        assert server.status("GET", SESSION + path, other) == 404
    assert server.status("PATCH", SESSION, other, json={"title": "mine"}) == 404
    assert server.status("DELETE", SESSION, other) == 404
    named = {"principal": owner.id}
    assert server.status("GET", SESSION, other, params=named) == 403
    assert server.status("GET", SESSION, admin) == 404
    assert server.status("GET", SESSION, admin, params=named) == 200
    assert server.status("GET", SESSION + "/export/txt", mine) == 200
    assert server.status("GET", SESSION + "/audio", mine) == 404
    server.files.audio[ID] = b"sound"
    assert server.status("GET", SESSION + "/audio", mine) == 200
    assert server.status("DELETE", SESSION, mine) == 200
    lines = [(line["action"], line.get("acts_for"), line.get("session_id")) for line in server.audit]
    assert lines == [
        ("session", owner.id, ID),
        ("export", None, ID),
        ("download_audio", None, ID),
        ("delete_session", None, ID),
    ]
