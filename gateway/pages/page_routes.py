"""Serves each page and each file that pages load, with an ETag and a strict Content-Security-Policy."""

import hashlib
from collections.abc import Awaitable, Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGES: Final = {
    "/": "captions.html",
    "/sessions": "sessions.html",
    "/sessions/{session_id}": "session.html",
    "/operator": "operator.html",
}
"""The page of each path; what it shows, its scripts ask for over REST, with the credentials of who looks."""

PAGE: Final = "page"  # The name of all these routes, which are no part of the REST interface.
MEDIA_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "ts": "text/plain; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self' ws: wss:",  # 'self' means no WebSocket in some browsers.
        "media-src 'self' blob:",  # A file that is dropped is played from the browser's memory.
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # A browser asks each time whether its copy is the newest.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), display-capture=(self), camera=(), geolocation=()",
}
FOR_ALL: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
"""Headers of the client's files: pages of other hosts import them."""


def page_routes() -> list[Route]:
    """The routes of all pages and of the files in `static`, each read once."""
    folder = files(__package__) / "static"
    found = {file.name: file for file in folder.iterdir() if file.name.rpartition(".")[2] in MEDIA_TYPES}
    paths = {f"/static/{name}": name for name in found if name not in PAGES.values()}
    return [Route(path, _answer(found[name]), name=PAGE) for path, name in (PAGES | paths).items()]


def _answer(file: Traversable) -> Callable[[Request], Awaitable[Response]]:
    """What answers a request for this file."""
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = HEADERS | {"ETag": tag} | (FOR_ALL if file.name.startswith("dalston") else {})
    media_type = MEDIA_TYPES[file.name.rpartition(".")[2]]

    async def answer(request: Request) -> Response:
        known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
        if tag in known or f"W/{tag}" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return answer
