"""The routes: which path is answered by what."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route, WebSocketRoute

from gateway.http import http_error, unknown_socket
from gateway.api.rest import RestApi
from gateway.context import Gateway
from gateway.realtime.endpoint import PATH, StreamEndpoint
from gateway.sessions.session_manager import SessionManager


def build_app(gateway: Gateway, sessions: SessionManager) -> Starlette:
    """The ASGI application of one gateway; other dialects get their routes here."""
    rest = RestApi(gateway)
    return Starlette(
        routes=[
            WebSocketRoute(PATH, StreamEndpoint(gateway, sessions).__call__),
            WebSocketRoute("/{path:path}", unknown_socket),
            Route(PATH, rest.upgrade_required),
            Route("/healthz", rest.healthz),
            Route("/readyz", rest.readyz),
            Route("/v1/models", rest.models),
            Route("/v1/realtime/workers", rest.workers),
            Route("/v1/realtime/workers/{worker_id:path}/drain", rest.drain, methods=["POST", "DELETE"]),
            Route("/v1/realtime/status", rest.status),
            Route("/metrics", rest.metrics),
        ],
        exception_handlers={HTTPException: http_error, 500: http_error},
    )
