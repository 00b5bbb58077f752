"""Calls the REST endpoints, which say what the server offers and how busy it is."""

import ssl
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from dalston_realtime.client.api_key import authorization
from dalston_realtime.client.errors import (
    NO_TLS,
    NO_TLS_ADVICE,
    NOT_TRUSTED,
    NOT_TRUSTED_ADVICE,
    ProtocolError,
    ProxyUnusableError,
    UnreachableError,
    one_line,
    refused,
)
from dalston_realtime.client.url import DEFAULT_URL, is_loopback, port_note, rest_url

if TYPE_CHECKING:
    import httpx  # is loaded at the first call: who only transcribes does not need it

TIMEOUT_S: Final = 5.0  # Seconds for a whole call; every answer is small and at hand.
WORKERS: Final = "/v1/realtime/workers"
MODELS: Final = "/v1/models"
STATUS: Final = "/v1/realtime/status"


async def workers(url: str = DEFAULT_URL) -> list[dict[str, Any]]:
    """The workers that are registered: endpoint, status, capacity, sessions, models, lag.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _list(await _get(url, WORKERS), "workers")


async def models(url: str = DEFAULT_URL) -> list[dict[str, Any]]:
    """The models that live workers have loaded: variant, name, engine, languages, features.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    return _list(await _get(url, MODELS), "models")


async def status(url: str = DEFAULT_URL) -> dict[str, Any]:
    """The server as a whole: capacity and sessions.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    answer = await _get(url, STATUS)
    if isinstance(answer, dict):
        return answer
    raise ProtocolError(f"{STATUS} did not answer with a JSON object")


async def drain(url: str, worker_id: str, seconds: float | None) -> None:
    """Have a worker get nothing new and move its sessions after `seconds`; None takes that back.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    path = f"{WORKERS}/{quote(worker_id, safe='')}/drain"
    if seconds is None:
        await call("DELETE", url, path)
    else:
        await call("POST", url, f"{path}?seconds={seconds:g}")


async def _get(base: str, path: str) -> Any:
    return await call("GET", base, path)


async def call(method: str, base: str, path: str) -> Any:
    """The JSON that a call is answered with.

    Raises:
        UnreachableError, RefusedError, ProtocolError, UsageError: as their names say.
    """
    answer = _json(await request(method, base, path))
    if answer is None:
        raise ProtocolError(f"{rest_url(base, path)} did not answer with JSON; is it this server?")
    return answer


async def request(method: str, base: str, path: str) -> "httpx.Response":
    """What a call is answered with, where it succeeds.

    Raises:
        UnreachableError, RefusedError, UsageError: as their names say.
    """
    import httpx

    url = rest_url(base, path)
    try:
        async with _http_client(
            is_encrypted=url.startswith("https:"), trust_env=not is_loopback(base)
        ) as http:
            response = await http.request(method, url, headers=authorization())
    except httpx.TransportError as error:
        raise UnreachableError(base, _reason(error) + port_note(base)) from error
    if response.is_success:
        return response
    answer = _json(response)
    raise refused(response.status_code, answer if answer is not None else response.reason_phrase)


def _http_client(*, is_encrypted: bool, trust_env: bool) -> "httpx.AsyncClient":
    """A client; with `trust_env` it goes through the proxy that the environment names.

    It trusts the certificates that the WebSocket's client does: the system's, or those of SSL_CERT_FILE.
    """
    import httpx

    verify = ssl.create_default_context() if is_encrypted else True
    try:
        return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=trust_env, verify=verify)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ProxyUnusableError(error) from None


def _reason(error: "httpx.TransportError") -> str:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {TIMEOUT_S:g} s"
    if NO_TLS in str(error):
        return NO_TLS_ADVICE
    if NOT_TRUSTED in str(error):
        return NOT_TRUSTED_ADVICE
    if isinstance(error, httpx.ConnectError):
        return "connection failed"
    return one_line(error, 120) or type(error).__name__


def _json(response: "httpx.Response") -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _list(answer: Any, name: str) -> list[dict[str, Any]]:
    items = answer.get(name) if isinstance(answer, dict) else None
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    raise ProtocolError(f"the server's answer has no list of {name}")
