"""Answers the plain HTTP requests that a worker gets, and refuses WebSockets that are not a gateway's."""

from typing import Final

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from runtime.secret import internal_secret, is_authorized
from runtime.worker_link import PATH
from stages.metrics import scrape
from stages.receiver.settings import ReceiverSettings
from stages.receiver.worker import Worker

OK: Final = 200
UNAUTHORIZED: Final = 401
NOT_FOUND: Final = 404
UNAVAILABLE: Final = 503


class HttpResponder:
    """What a worker answers before a connection becomes a WebSocket."""

    def __init__(self, settings: ReceiverSettings, worker: Worker) -> None:
        self._metrics_dir = settings.sockets / "metrics"
        self._worker = worker
        self._secret = internal_secret(settings)

    def respond(self, _connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request; None for a gateway's, which becomes a WebSocket."""
        path = request.path.partition("?")[0]
        if path == "/healthz":
            return self._health()
        if path == "/metrics":
            body = scrape(self._metrics_dir, self._worker.lags().values())
            return _response(OK, "text/plain; version=0.0.4", body)
        if path != PATH:
            return _response(NOT_FOUND, "text/plain", f"sessions are at {PATH}\n".encode())
        if not is_authorized(request.headers.get("Authorization"), self._secret):
            what = b"sessions are for gateways, with the internal secret\n"
            return _response(UNAUTHORIZED, "text/plain", what)
        return None

    def _health(self) -> Response:
        missing = self._worker.missing()
        body = msgspec.json.encode({"status": "ok" if not missing else "incomplete", "missing": missing})
        return _response(OK if not missing else UNAVAILABLE, "application/json", body)


def _response(status: int, kind: str, body: bytes) -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(status, "OK" if status == OK else "Error", headers, body)
