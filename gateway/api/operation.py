"""Declares an operation of the REST interface beside its handler, and hands the handler what it asks for.

@operation("GET", "/v1/things/{thing_id}", scope="history", errors={404: "there is no such thing"})
async def thing(self, principal: Principal, thing_id: ThingId, query: ThingParams) -> ThingBody:
    "One thing."

The types of the handler say what is read and answered, and `GET /openapi.json` is made from them: an argument
whose name is in the path, `query` and `headers` as structs with a field for each parameter, `body` as the
struct of a JSON body, `principal` for who asks, and `request` for what is none of these. `scope` says who may
ask; with None everybody may, without a credential.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, get_type_hints

import msgspec
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route

from broker.errors import RegistryUnavailable
from dalston_realtime.protocol.errors import InvalidParameter
from gateway.api.arguments import path_names, read_body, read_fields, read_value
from gateway.auth.credentials import credential_of
from gateway.auth.errors import RequestRefused
from gateway.auth.principal import Principal, Scope
from gateway.auth.request_guard import RequestGuard
from gateway.http import Reply, error_reply
from storage.database import DatabaseUnavailable
from storage.recordings.errors import StorageUnavailable

JSON: Final = "application/json"
ACT_FOR: Final = "principal"  # The query parameter with which an admin asks for what is another one's.
_DECLARED: Final = "__operations__"  # The attribute of a handler that holds what it was declared as.

CredentialReader: TypeAlias = Callable[[HTTPConnection], str | None]
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
    are no errors, `errors` the others, each with what it means. `audited` is the name of the line that a
    success writes into the audit log, `credential` finds the client's key.
    """

    method: str
    path: str
    name: str
    summary: str
    hints: Mapping[str, Any]
    scope: Scope | None
    audited: str | None = None
    credential: CredentialReader = credential_of
    media: str = JSON
    needs_body: bool = True
    form: type[msgspec.Struct] | None = None
    statuses: Mapping[int, str] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def path_arguments(self) -> dict[str, Any]:
        """The arguments that are in the path, with their types."""
        return {name: self.hints.get(name, str) for name in path_names(self.path)}


def operation(
    method: str, path: str, *, scope: Scope | None, **about: Any
) -> Callable[[AnyHandler], AnyHandler]:
    """Declare a handler as an operation; `about` are further fields of `Operation`.

    The first line of its docstring says what the operation does.
    """

    def declare(handler: AnyHandler) -> AnyHandler:
        summary = (handler.__doc__ or "").strip().partition("\n")[0]
        hints = get_type_hints(handler, include_extras=True)
        name = handler.__name__
        declared = Operation(
            method=method, path=path, name=name, summary=summary, hints=hints, scope=scope, **about
        )
        setattr(handler, _DECLARED, (*getattr(handler, _DECLARED, ()), declared))
        return handler

    return declare


class OperationRoute(Route):
    """A route that knows its operation."""

    def __init__(self, declared: Operation, handler: Handler, guard: RequestGuard) -> None:
        self.operation = declared
        endpoint = partial(_answer, declared, handler, guard)
        super().__init__(declared.path, endpoint, methods=[declared.method], name=declared.name)


def routes_of(api: object, guard: RequestGuard) -> list[Route]:
    """A route for each operation of an object, in the order in which they are written.

    `guard` lets in who may ask.
    """
    members = {name: value for base in reversed(type(api).__mro__) for name, value in vars(base).items()}
    return [
        OperationRoute(declared, getattr(api, name), guard)
        for name, member in members.items()
        for declared in getattr(member, _DECLARED, ())
    ]


async def _answer(declared: Operation, handler: Handler, guard: RequestGuard, request: Request) -> Response:
    """What the handler answers, or the error that it ends with."""
    try:
        return await _handle(declared, handler, guard, request)
    except (ApiError, RequestRefused) as error:
        return error.reply
    except InvalidParameter as error:
        return error_reply(400, "invalid_parameter", error.message, param=error.param)
    except RegistryUnavailable as error:
        return error_reply(503, "registry_unavailable", str(error))
    except DatabaseUnavailable as error:
        return error_reply(503, "history_unavailable", f"the history can't be read now: {error}")
    except StorageUnavailable as error:
        return error_reply(503, "storage_unavailable", f"the files can't be read or written now: {error}")


async def _handle(declared: Operation, handler: Handler, guard: RequestGuard, request: Request) -> Response:
    principal = None
    if declared.scope is not None:
        principal = await guard.admit(request, declared.scope, declared.credential)
    arguments = await _arguments(declared, request)
    if principal is not None and "principal" in declared.hints:
        arguments["principal"] = await _acting_for(principal, declared, guard, request)
    answer = await handler(**arguments)
    response = answer if isinstance(answer, Response) else Reply(answer)
    if declared.audited and principal is not None and response.status_code < 400:
        await guard.record(request, declared.audited, principal, **request.path_params)
    return response


async def _acting_for(
    principal: Principal, declared: Operation, guard: RequestGuard, request: Request
) -> Principal:
    """Whose things are asked for: the principal's own, or for an admin those of the one that is named."""
    named = request.query_params.get(ACT_FOR)
    if named in (None, principal.id):
        return principal
    principal.require("admin")
    await guard.record(request, declared.name, principal, acts_for=named, **request.path_params)
    return Principal(str(named), "", principal.scopes)


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
