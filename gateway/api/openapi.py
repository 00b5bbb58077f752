"""Describes the operations of the gateway in OpenAPI, from what their handlers read and answer."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Final, TypeAlias

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from gateway.api.arguments import fields_of, is_dict, plain_path
from gateway.api.operation import ACT_FOR, JSON, Operation, OperationRoute, operation
from gateway.http import ErrorBody, Reply

Document: TypeAlias = dict[str, Any]

OPENAPI: Final = (
    "3.1.0"  # The version of OpenAPI whose schemas are those of JSON Schema, as msgspec makes them.
)
PLACES: Final = {"query": "query", "headers": "header"}  # The arguments that are structs of parameters.
KEY: Final = "key"  # The name of the security scheme: a key or a token, as `Authorization: Bearer KEY`.
_PREFIX: Final = "#/components/schemas/{name}"


class ApiDescription:
    """The description of these routes and of itself."""

    def __init__(self) -> None:
        self.routes: Sequence[BaseRoute] = ()
        self._document: Document = {}

    @operation("GET", "/openapi.json", scope=None)
    async def openapi(self) -> Response:
        """This description of the REST interface."""
        self._document = self._document or describe_api(operations_of(self.routes))
        return Reply(self._document)


def operations_of(routes: Sequence[BaseRoute]) -> list[Operation]:
    """The operations among the routes."""
    return [route.operation for route in routes if isinstance(route, OperationRoute)]


def describe_api(operations: Sequence[Operation]) -> Document:
    """The whole document."""
    schemas = Schemas(operations)
    paths: dict[str, Document] = {}
    for each in operations:
        paths.setdefault(plain_path(each.path), {})[each.method.lower()] = _describe(each, schemas)
    info = {"title": "dalston-realtime", "version": version("dalston-realtime")}
    components = {
        "schemas": schemas.components,
        "securitySchemes": {KEY: {"type": "http", "scheme": "bearer"}},
    }
    return {"openapi": OPENAPI, "info": info, "paths": paths, "components": components}


class Schemas:
    """The schemas of all types that the operations name; those of structs are components with a name."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        kinds = [ErrorBody, *(kind for each in operations for kind in _kinds(each))]
        schemas, self.components = msgspec.json.schema_components(kinds, ref_template=_PREFIX)
        self._schemas = list(zip(kinds, schemas, strict=True))

    def of(self, kind: Any) -> Document:
        """The schema of a type, or where it is."""
        return dict(next(schema for known, schema in self._schemas if known is kind or known == kind))


def _kinds(declared: Operation) -> Iterator[Any]:
    """The types of an operation."""
    yield from declared.path_arguments.values()
    for name in PLACES:
        if name in declared.hints:
            yield from (kind for _, _, kind in fields_of(declared.hints[name]))
    yield from filter(None, (declared.hints.get("body"), declared.form, _answer_kind(declared)))


def _answer_kind(declared: Operation) -> Any:
    """The type of the JSON that is answered; None where it is no JSON."""
    kinds = getattr(declared.hints["return"], "__args__", (declared.hints["return"],))
    known = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    return known[0] if known else None


def _describe(declared: Operation, schemas: Schemas) -> Document:
    security = [] if declared.scope is None else [{KEY: [declared.scope]}]
    found: Document = {"operationId": declared.name, "summary": declared.summary, "security": security}
    if parameters := [*_path_parameters(declared, schemas), *_parameters(declared, schemas)]:
        found["parameters"] = parameters
    if "body" in declared.hints:
        body = _body(JSON, schemas.of(declared.hints["body"]))
        found["requestBody"] = body | {"required": declared.needs_body}
    if declared.form is not None:
        found["requestBody"] = _body("multipart/form-data", schemas.of(declared.form))
    return found | {"responses": _answers(declared, schemas)}


def _body(media: str, schema: Document) -> Document:
    return {"required": True, "content": {media: {"schema": schema}}}


def _path_parameters(declared: Operation, schemas: Schemas) -> Iterator[Document]:
    for name, kind in declared.path_arguments.items():
        yield _parameter(name, "path", schemas.of(kind)) | {"required": True}


def _parameters(declared: Operation, schemas: Schemas) -> Iterator[Document]:
    """The parameters of the query and the headers."""
    if "principal" in declared.hints:
        about = "for the scope admin: the id of the key whose things are asked for"
        yield {"name": ACT_FOR, "in": "query", "schema": {"type": "string"}, "description": about}
    for argument, place in PLACES.items():
        struct = declared.hints.get(argument)
        if struct is None:
            continue
        defaults = {each.encode_name: each for each in msgspec.structs.fields(struct)}
        for _, name, kind in fields_of(struct):
            schema, default = schemas.of(kind), defaults[name].default
            if isinstance(default, str | int | float):
                schema["default"] = default
            found = _parameter(name, place, schema)
            yield found | {"style": "form", "explode": True} if is_dict(kind) else found


def _parameter(name: str, place: str, schema: Document) -> Document:
    found = {"name": name, "in": place, "schema": schema}
    if description := schema.pop("description", None):
        found["description"] = description
    return found


def _answers(declared: Operation, schemas: Schemas) -> Document:
    kind = _answer_kind(declared)
    schema = {} if kind is None else {"schema": schemas.of(kind)}
    good = declared.statuses or {200: declared.summary}
    found: Document = {
        str(status): {"description": text, **({"content": {declared.media: schema}} if status >= 200 else {})}
        for status, text in good.items()
    }
    errors = dict(declared.errors)
    if declared.scope is not None:
        errors.setdefault(429, "the key, or the address, made as many requests in this minute as it may")
        errors.setdefault(401, "a key or token is needed, or the one that was given does not hold")
        errors.setdefault(
            403, f"the key lacks the scope {declared.scope}, or the request comes from elsewhere"
        )
        errors.setdefault(503, "credentials can't be checked now")
    if declared.hints.keys() & {"query", "body", *declared.path_arguments}:
        errors.setdefault(400, "an argument has a bad value, which `param` names")
    content = {"content": {JSON: {"schema": schemas.of(ErrorBody)}}}
    return found | {str(status): {"description": text, **content} for status, text in sorted(errors.items())}
