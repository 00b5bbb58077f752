"""Puts together what guards a gateway, and sees to it that a server without keys is open to nobody else.

A gateway that others can reach does not start without a key, unless `DALSTON_AUTH=off` says so.
"""

import asyncio
from contextlib import suppress
from typing import Final

from gateway.auth.audit_log import AuditLog
from gateway.auth.authenticator import Authenticator, TokenVerifier
from gateway.auth.key_directory import KeyDirectory
from gateway.auth.request_facts import is_loopback_host
from gateway.auth.request_guard import RequestGuard
from gateway.auth.usage_limits import UsageLimits
from gateway.settings import GatewaySettings
from runtime.errors import StartupError
from runtime.logs import get_logger

log = get_logger(__name__)

KNOWN_S: Final = 3.0  # Seconds for which a start waits for the database to say which keys there are.
TRY_AGAIN_S: Final = 0.05  # Seconds between two such looks.
WARN_S: Final = 60.0  # Seconds between two warnings of a server that lets everybody in.
METRICS: Final = "/metrics"  # The path that `DALSTON_OPEN_METRICS` opens.
WITHOUT_KEY: Final = (
    "others could use this server at {host}, and no key was made: make one with"
    " `dalston-rt keys create NAME`, or let everybody in with `DALSTON_AUTH=off dalston-rt serve`"
)


def make_guard(
    settings: GatewaySettings,
    keys: KeyDirectory,
    tokens: TokenVerifier | None = None,
    limits: UsageLimits | None = None,
) -> RequestGuard:
    """What lets requests in, as the settings say: by a key, or by one of the `tokens`, in the `limits`."""
    authenticator = Authenticator(
        keys,
        open_to_local=is_loopback_host(_as_host(settings.gateway_host)),
        is_off=settings.auth == "off",
        tokens=tokens,
    )
    open_paths = (METRICS,) if settings.open_metrics == "on" else ()
    audit = AuditLog(settings.data_dir)
    return RequestGuard(authenticator, audit, settings.trusted_proxies, open_paths, limits)


async def check_start(settings: GatewaySettings, authenticator: Authenticator) -> None:
    """Wait until it is known which keys there are, and refuse to start where that would be open to others.

    While the database is away, nobody is let in.

    Raises:
        StartupError: others could use the server, and no key was made.
    """
    if settings.auth == "off":
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(KNOWN_S):
            await _wait_known(authenticator.keys)
    if not authenticator.keys.is_known:
        log.warning("nobody is let in until the database can be read")
    elif not authenticator.keys.any_made and not is_loopback_host(_as_host(settings.gateway_host)):
        raise StartupError(WITHOUT_KEY.format(host=settings.gateway_host))


async def run_access(settings: GatewaySettings, authenticator: Authenticator, warn_s: float = WARN_S) -> None:
    """Learn of keys that are made and revoked, until cancelled.

    A server that lets everybody in has no use for them, and warns every `warn_s` seconds.
    """
    if settings.auth != "off":
        await authenticator.keys.run()
    while True:
        log.warning("DALSTON_AUTH=off: everybody who reaches this server may do everything")
        await asyncio.sleep(warn_s)


async def _wait_known(keys: KeyDirectory) -> None:
    while not keys.is_known:
        await keys.look()
        await asyncio.sleep(TRY_AGAIN_S)


def _as_host(address: str) -> str:
    """An address to listen on as a Host header would have it."""
    return f"[{address}]" if ":" in address else address
