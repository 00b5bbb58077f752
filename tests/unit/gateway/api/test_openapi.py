"""The description of the REST interface is valid, and describes what the gateway answers."""

import asyncio
from pathlib import Path
from typing import Annotated, Any, cast

import httpx
import msgspec
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.api.history import HistoryApi
from gateway.api.jobs import JobApi
from gateway.api.openapi import Schemas, describe_api, operations_of
from gateway.api.operation import operation, routes_of
from gateway.api.operator import OperatorApi
from gateway.api.rest import RestApi
from gateway.api.session_views import SessionViewApi
from gateway.api.speakers import SpeakerApi
from gateway.api.tokens import TokenApi
from gateway.api.transcriptions import TranscriptionApi
from gateway.api.vendor_files import VendorFileApi
from gateway.app import make_routes
from gateway.pages.page_routes import PAGE
from gateway.realtime.endpoint import StreamEndpoint
from storage.database import Database
from storage.history.reading.history_reader import HistoryReader
from storage.history.upkeep.editing import SessionEditor
from storage.history.upkeep.retention import SessionRemover
from storage.history.writing.changes import NewUtterance
from tests.support.auth_parts import open_guard
from tests.support.histories import MemoryFiles, begun, history_of, kept_session, written

ID = f"{1:032x}"
WORDS = '[{"word":"Hello","start":0.0,"end":0.5}]'


def gateway_routes() -> Starlette:
    """The application of a gateway whose parts are never called."""
    kinds: tuple[type, ...] = (
        RestApi,
        OperatorApi,
        SessionViewApi,
        HistoryApi,
        JobApi,
        TranscriptionApi,
        VendorFileApi,
        SpeakerApi,
        TokenApi,
    )
    apis: list[object] = [object.__new__(kind) for kind in kinds]
    return make_routes(open_guard(), cast(StreamEndpoint, lambda *_: None), *apis)


def get(app: Starlette, path: str) -> Any:
    """The JSON of a path."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.get(path)

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
def document() -> Any:
    """What the gateway says of itself."""
    return get(gateway_routes(), "/openapi.json")


def test_the_document_is_valid(document: Any) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_is_described_and_nothing_else(document: Any) -> None:
    routes = {
        (method.lower(), route.path.replace(":path", ""))
        for route in gateway_routes().routes
        if isinstance(route, Route) and route.name != PAGE
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described == routes
    assert ("get", "/v1/realtime/sessions/{session_id}/export/{format}") in described


def test_every_operation_says_what_it_does_and_what_it_answers(document: Any) -> None:
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    assert [each for each in operations if not each["summary"].endswith(".")] == []
    assert len({each["operationId"] for each in operations}) == len(operations)
    json = [
        answer["content"].get("application/json", {"schema": {}})
        for each in operations
        for status, answer in each["responses"].items()
        if each["operationId"] not in ("openapi", "stream")
    ]
    assert [each for each in json if "schema" not in each] == []


def test_every_operation_says_who_may_ask(document: Any) -> None:
    """Without a credential only probes and the description."""
    by_scope: dict[str, set[str]] = {}
    for methods in document["paths"].values():
        for each in methods.values():
            scope = each["security"][0]["key"][0] if each["security"] else "none"
            by_scope.setdefault(scope, set()).add(each["operationId"])
            assert scope == "none" or {"401", "403"} <= set(each["responses"])
    assert by_scope["none"] == {"healthz", "readyz", "openapi"}
    assert by_scope["admin"] == {"workers", "drain", "undrain", "metrics", "operator_events"}
    assert {"transcribe", "cancel", "models"} <= by_scope["transcribe"]
    assert {"sessions", "delete", "export", "audio", "enroll"} <= by_scope["history"]


def test_parameters_are_those_that_the_handlers_read(document: Any) -> None:
    asked = document["paths"]["/v1/realtime/sessions"]["get"]["parameters"]
    by_name = {each["name"]: each for each in asked}
    assert by_name["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    assert by_name["status"]["schema"]["enum"] == ["active", "ended", "error", "lost"]
    metadata = by_name["metadata"]
    assert (metadata["style"], metadata["explode"]) == ("form", True)
    assert metadata["schema"]["propertyNames"]["pattern"].startswith("^metadata")
    one = document["paths"]["/v1/realtime/sessions/{session_id}"]["get"]["parameters"]
    assert [(each["in"], each.get("required")) for each in one] == [("path", True), ("query", None)]
    audio = document["paths"]["/v1/realtime/sessions/{session_id}/audio"]["get"]
    assert {each["name"] for each in audio["parameters"]} == {"session_id", "principal", "range", "if-range"}
    assert {"200", "206", "400", "401", "403", "404", "416", "429", "503"} == set(audio["responses"])


def test_what_is_answered_is_what_is_described(document: Any, tmp_path: Path) -> None:
    database, files = Database(f"sqlite:///{tmp_path / 'history.db'}"), MemoryFiles()
    with history_of(database) as history:
        kept = begun(history, ID, model="tiny", metadata={"n": 1})
        kept.add_utterance(
            NewUtterance(number=1, text="Hello.", start=0.0, end=0.5, words=WORDS, speaker="A")
        )
        kept_session(history, 2, "hello")
        written(history)
        reader, editor = HistoryReader(database), SessionEditor(database)
        api = HistoryApi(history, reader, editor, SessionRemover(database, files), files)
        app = Starlette(routes=routes_of(api, open_guard()))
        one = "/v1/realtime/sessions/{session_id}"
        for path, query in (
            ("/v1/realtime/sessions", "?search=hello&limit=1"),
            (one, ""),
            (one + "/transcript", ""),
        ):
            answers = document["paths"][path]["get"]["responses"]
            schema = answers["200"]["content"]["application/json"]["schema"]
            validator = OAS31Validator(schema | {"components": document["components"]})
            found = get(app, path.replace("{session_id}", ID) + query)
            assert list(validator.iter_errors(found)) == []
            assert list(validator.iter_errors({})) != []
    database.close()


class NewThing(msgspec.Struct):
    """A thing that is made."""

    name: str


class ThingQuery(msgspec.Struct):
    """How things are made."""

    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Things:
    """An interface that a test adds."""

    @operation("POST", "/v1/things", scope=None, form=NewThing)
    async def make(self, query: ThingQuery) -> NewThing:
        """Make a thing."""
        return NewThing(str(query.size))


def test_a_route_adds_itself_with_one_declaration() -> None:
    (declared,) = operations_of(routes_of(Things(), open_guard()))
    found = describe_api([declared])
    assert list(OpenAPIV31SpecValidator(found).iter_errors()) == []
    made = found["paths"]["/v1/things"]["post"]
    assert list(made["requestBody"]["content"]) == ["multipart/form-data"]
    assert made["summary"] == "Make a thing."
    assert made["responses"]["200"]["content"]["application/json"]["schema"] == Schemas([declared]).of(
        NewThing
    )
