"""Serves each page and each file that pages load, with an ETag and a strict Content-Security-Policy."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from string import Template
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PAGES: Final = {
    "/": ("captions", "Live captions"),
    "/sessions": ("sessions", "Sessions"),
    "/sessions/{session_id}": ("session", "Session"),
    "/operator": ("operator", "Operator"),
}
"""The name of the page at each path, and its title.

What it shows, its script asks for over REST, with the credentials of who looks.
"""
LINKS: Final = {"/": "Captions", "/sessions": "Sessions", "/operator": "Operator"}  # At the top of each page.
FRAME: Final = (
    "frame.html"  # What all pages have around their content, which is in an HTML file of their name.
)

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
    found = {file.name: file.read_bytes() for file in folder.iterdir() if _kind(file.name) in MEDIA_TYPES}
    frame = Template(found.pop(FRAME).decode())
    pages = {
        path: _answer("html", _framed(frame, path, name, title, found.pop(f"{name}.html")), {})
        for path, (name, title) in PAGES.items()
    }
    parts = {
        f"/static/{name}": _answer(_kind(name), content, FOR_ALL if name.startswith("dalston") else {})
        for name, content in found.items()
    }
    return [Route(path, answer, name=PAGE) for path, answer in (pages | parts).items()]


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _framed(frame: Template, path: str, name: str, title: str, content: bytes) -> bytes:
    """A whole page; the link to the part of the site that it is in is marked."""
    here = "/" + path.split("/")[1]
    links = (
        f'<a href="{to}"{" aria-current=page" if to == here else ""}>{text}</a>' for to, text in LINKS.items()
    )
    return frame.substitute(title=title, name=name, links=" ".join(links), content=content.decode()).encode()


def _answer(kind: str, content: bytes, more: Mapping[str, str]) -> Callable[[Request], Awaitable[Response]]:
    """What answers a request for a file of this kind, with `more` headers than all have."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = HEADERS | {"ETag": tag} | dict(more)

    async def answer(request: Request) -> Response:
        known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
        if tag in known or f"W/{tag}" in known:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=MEDIA_TYPES[kind])

    return answer
