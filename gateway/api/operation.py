"""Declares an operation of the REST interface beside its handler, and hands the handler what it asks for.

@operation("GET", "/v1/things/{thing_id}", errors={404: "there is no such thing"})
async def thing(self, thing_id: ThingId, query: ThingParams) -> ThingBody:
    "One thing."

The types of the handler say what is read and answered, and `GET /openapi.json` is made from them: an argument
whose name is in the path, `query` and `headers` as structs with a field for each parameter, `body` as the
struct of a JSON body, and `request` for what is neither of these.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.arguments import path_names, read_body, read_fields, read_value
from gateway.http import Reply, error_reply
from storage.database import DatabaseUnavailable
from storage.recordings.errors import StorageUnavailable

JSON: Final = "application/json"
_DECLARED: Final = "__operations__"  # The attribute of a handler that holds what it was declared as.

Handler: TypeAlias = Callable[..., Awaitable[Any]]
AnyHandler = TypeVar("AnyHandler", bound=Handler)


class ApiError(Exception):
    """A request is answered with an error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.reply = error_reply(status, code, message)
        self.reply.headers.update(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method on a path.

    `media` is the type of what is answered, `form` the struct of a body that is a form, which the handler
    reads itself. Where it `needs_body` not, an empty one is an empty object. `statuses` are the answers that
    are no errors, `errors` the others, each with what it means.
    """

    method: str
    path: str
    name: str
    summary: str
    hints: Mapping[str, Any]
    media: str = JSON
    needs_body: bool = True
    form: type[msgspec.Struct] | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def path_arguments(self) -> dict[str, Any]:
        """The arguments that are in the path, with their types."""
        return {name: self.hints.get(name, str) for name in path_names(self.path)}


def operation(method: str, path: str, **about: Any) -> Callable[[AnyHandler], AnyHandler]:
    """Declare a handler as an operation; `about` are further fields of `Operation`.

    The first line of its docstring says what the operation does.
    """

    def declare(handler: AnyHandler) -> AnyHandler:
        summary = (handler.__doc__ or "").strip().partition("\n")[0]
        hints = get_type_hints(handler, include_extras=True)
        name = handler.__name__
        declared = Operation(method=method, path=path, name=name, summary=summary, hints=hints, **about)
        setattr(handler, _DECLARED, (*getattr(handler, _DECLARED, ()), declared))
        return handler

    return declare


class OperationRoute(Route):
    """A route that knows its operation."""

    def __init__(self, declared: Operation, handler: Handler) -> None:
        self.operation = declared
        endpoint = partial(_answer, declared, handler)
        super().__init__(declared.path, endpoint, methods=[declared.method], name=declared.name)


def routes_of(api: object) -> list[Route]:
    """A route for each operation of an object, in the order in which they are written."""
    members = {name: value for base in reversed(type(api).__mro__) for name, value in vars(base).items()}
    return [
        OperationRoute(declared, getattr(api, name))
        for name, member in members.items()
        for declared in getattr(member, _DECLARED, ())
    ]


async def _answer(declared: Operation, handler: Handler, request: Request) -> Response:
    """What the handler answers, or the error that it ends with."""
    try:
        answer = await handler(**await _arguments(declared, request))
    except ApiError as error:
        return error.reply
    except InvalidParameter as error:
        return error_reply(400, "invalid_parameter", error.message, param=error.param)
    except RegistryUnavailable as error:
        return error_reply(503, "registry_unavailable", str(error))
    except DatabaseUnavailable as error:
        return error_reply(503, "history_unavailable", f"the history can't be read now: {error}")
    except StorageUnavailable as error:
        return error_reply(503, "storage_unavailable", f"the files can't be read or written now: {error}")
    return answer if isinstance(answer, Response) else Reply(answer)


async def _arguments(declared: Operation, request: Request) -> dict[str, Any]:
    """The arguments of the handler, from the request.

    Raises:
        InvalidParameter: one of them has a bad value.
    """
    hints = declared.hints
    found = {
        name: read_value(name, request.path_params[name], kind)
        for name, kind in declared.path_arguments.items()
        if name in hints
    }
    if "query" in hints:
        found["query"] = read_fields(hints["query"], dict(request.query_params))
    if "headers" in hints:
        found["headers"] = read_fields(hints["headers"], dict(request.headers))
    if "body" in hints:
        found["body"] = await read_body(hints["body"], request, may_be_empty=not declared.needs_body)
    if "request" in hints:
        found["request"] = request
    return found
