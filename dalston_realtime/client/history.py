"""Calls the REST endpoints of the session history: lists, reads, exports and deletes what is kept."""

from typing import Any, Final
from urllib.parse import quote, urlencode

from dalston_realtime.client.errors import ProtocolError, UsageError
from dalston_realtime.client.rest import call, request
from dalston_realtime.client.url import DEFAULT_URL

SESSIONS: Final = "/v1/realtime/sessions"
LAST: Final = "last"  # Stands for the id of the youngest session.


async def sessions(url: str = DEFAULT_URL, **wanted: Any) -> list[dict[str, Any]]:
    """The sessions that are kept, the youngest first; `wanted` are parameters of the page.

    A page that ends early, because many sessions were looked through for it, is filled from the next one.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    found, cursor = await _page(url, wanted)
    while cursor and len(found) < (wanted.get("limit") or 1):
        more, cursor = await _page(url, wanted | {"cursor": cursor})
        found += more
    return found[: wanted.get("limit")]


async def _page(url: str, wanted: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """A page, and where the next one begins."""
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    answer = await call("GET", url, f"{SESSIONS}?{query}" if query else SESSIONS)
    found = answer.get("sessions") if isinstance(answer, dict) else None
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return found, answer.get("next_cursor")
    raise ProtocolError("the server's answer has no list of sessions")


async def session(url: str, session_id: str) -> dict[str, Any]:
    """One session.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _object(await call("GET", url, await session_path(url, session_id)))


async def transcript(url: str, session_id: str) -> dict[str, Any]:
    """What was said in a session: `transcript`, `utterances`.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _object(await call("GET", url, f"{await session_path(url, session_id)}/transcript"))


async def exported(url: str, session_id: str, form: str) -> str:
    """The transcript of a session as the content of a file: txt, json, srt or vtt.

    Raises:
        UnreachableError, RefusedError, UsageError: as their names say.
    """
    return (await request("GET", url, f"{await session_path(url, session_id)}/export/{form}")).text


async def delete(url: str, session_id: str) -> str:
    """Delete a session with its files; returns its id.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return str(_object(await call("DELETE", url, await session_path(url, session_id))).get("session_id"))


async def session_path(url: str, session_id: str) -> str:
    """The path of a session; that of the youngest one for `last`.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    if session_id == LAST:
        found = await sessions(url, limit=1)
        if not found:
            raise UsageError("no session is kept; `dalston-rt transcribe FILE --store` keeps one")
        session_id = str(found[0].get("session_id"))
    return f"{SESSIONS}/{quote(session_id, safe='')}"


def _object(answer: Any) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    raise ProtocolError("the server did not answer with a JSON object")
