"""Defines `dalston-rt keys`, which makes, lists and revokes keys in the server's database, on its machine.

The server's libraries are imported only where a command runs: the client alone is installed without them.
"""

import asyncio
import getpass
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dalston_realtime.protocol.errors import DalstonError
from runtime.extras import require_extra
from runtime.procfile import with_env_file
from storage.api_keys.api_key import (
    DEFAULT_SCOPES,
    MAX_LIMIT,
    MAX_WINDOW_S,
    SCOPES,
    ApiKey,
    KeyLimits,
    Scope,
)

if TYPE_CHECKING:
    from gateway.auth.audit_log import AuditLog
    from storage.api_keys.key_store import KeyStore

UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60}
AGE: Final = re.compile(r"([1-9][0-9]{0,5})([dhm])")
PERSON: Final = "local"  # Whom the audit log names: who can write into the database may do everything.

app = typer.Typer(
    help="Make, list and revoke API keys, in the database of the server on this machine.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is for, such as phone.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="SCOPE", help="transcribe, history or admin; repeatable; all but admin by default."
    ),
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="WHEN", help="90d, 12h, or a time such as 2027-01-31.")
]
Sessions = Annotated[
    int | None, typer.Option("--sessions", metavar="N", min=1, max=MAX_LIMIT, help="Live sessions at once.")
]
Audio = Annotated[
    int | None,
    typer.Option(
        "--audio-per-day", metavar="SECONDS", min=1, max=MAX_LIMIT, help="Seconds of live audio a day (UTC)."
    ),
]
Requests = Annotated[
    int | None,
    typer.Option(
        "--requests-per-minute", metavar="N", min=1, max=MAX_LIMIT, help="Requests and connections a minute."
    ),
]
Window = Annotated[
    float | None,
    typer.Option(
        "--resume-window",
        metavar="SECONDS",
        min=0,
        max=MAX_WINDOW_S,
        help="Seconds for which a lost client may come back; at most as many as the server's.",
    ),
]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `dalston-rt keys list` shows it.")]


@app.command("create")
def create(
    name: Name,
    scope: Scopes = None,
    expires: Expires = None,
    sessions: Sessions = None,
    audio_per_day: Audio = None,
    requests_per_minute: Requests = None,
    resume_window: Window = None,
) -> None:
    """Make a key, and show it: nobody can show it again."""
    scopes, until = _scopes(scope), _expiry(expires)
    limits = KeyLimits(
        sessions=sessions,
        audio_seconds_per_day=audio_per_day,
        requests_per_minute=requests_per_minute,
        resume_window=resume_window,
    )
    with _opened() as (store, audit):
        key, secret = store.create(name, scopes, limits, until)
        audit.write("create_key", principal=PERSON, user=getpass.getuser(), key_id=key.id, key_name=key.name)
    print(f"{key.id} ({', '.join(sorted(key.scopes))}) is made; it is not shown again:", file=sys.stderr)
    print(secret)


@app.command("list")
def list_keys() -> None:
    """List the keys, the youngest first, with their limits and what they use today."""
    with _opened() as (store, _):
        found = store.list()
    for key, usage in zip(found, _used_by(found), strict=True):
        scopes, used = ",".join(sorted(key.scopes)), _shown(key.last_used_at)
        print(f"{key.id}  {key.name}  {scopes}  {_state(key)}  made {_shown(key.created_at)}", end="")
        print(f"  used {used}" if used else "  never used", end="")
        print("".join(f"  {each}" for each in (_limits(key), usage) if each))
    if not found:
        print("no key was made")


@app.command("revoke")
def revoke(key_id: KeyId) -> None:
    """Revoke a key: within two seconds it holds no more, and its sessions end."""
    with _opened() as (store, audit):
        if not store.revoke(key_id):
            raise DalstonError(f"there is no key {key_id!r} that holds")
        audit.write("revoke_key", principal=PERSON, user=getpass.getuser(), key_id=key_id)
    print(f"{key_id} is revoked")


@contextmanager
def _opened() -> "Iterator[tuple[KeyStore, AuditLog]]":
    """The keys and the audit log of the server that the settings name; errors become one line."""
    try:
        require_extra("server", "keys")
        os.environ.update(with_env_file(os.environ, Path(".env")))
        with _open_store() as found:
            yield found
    except DalstonError as error:
        print(f"dalston-rt: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


@contextmanager
def _open_store() -> "Iterator[tuple[KeyStore, AuditLog]]":
    from gateway.auth.audit_log import AuditLog
    from runtime.settings import read_settings
    from storage.api_keys.key_store import KeyStore, TooManyKeys
    from storage.database import Database, DatabaseUnavailable
    from storage.settings import StorageSettings

    settings = read_settings(StorageSettings)
    database = Database(settings.database)
    try:
        database.migrate()
        yield KeyStore(database), AuditLog(settings.data_dir)
    except (DatabaseUnavailable, TooManyKeys) as error:
        raise DalstonError(f"the keys can't be read or written: {error}") from None
    finally:
        database.close()


def _used_by(keys: list[ApiKey]) -> list[str]:
    """What each key uses now and today, as far as the server's Redis says it."""
    from broker.errors import RegistryUnavailable
    from broker.store.scripts import Scripts
    from broker.usage import AccountUsage, UsageCounters
    from runtime.settings import Settings, read_settings

    async def read() -> list[AccountUsage]:
        scripts = Scripts(read_settings(Settings).redis)
        try:
            return await UsageCounters(scripts).read([key.id for key in keys])
        finally:
            await scripts.close()

    try:
        found = asyncio.run(read()) if keys else []
    except RegistryUnavailable:
        return [""] * len(keys)
    return [f"uses {each.sessions} sessions, today {each.audio:.0f} s of audio" for each in found]


def _limits(key: ApiKey) -> str:
    """The limits of a key, by the names of the options that set them."""
    limits = key.limits
    named = {
        "sessions": limits.sessions,
        "audio-per-day": limits.audio_seconds_per_day,
        "requests-per-minute": limits.requests_per_minute,
        "resume-window": limits.resume_window,
    }
    return " ".join(f"{name}={value:g}" for name, value in named.items() if value is not None)


def _scopes(given: list[str] | None) -> list[Scope]:
    unknown = [name for name in given or () if name not in SCOPES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(SCOPES)}", param_hint="--scope")
    return [scope for scope in SCOPES if scope in (given or DEFAULT_SCOPES)]


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        if match := AGE.fullmatch(text):
            return now + timedelta(seconds=int(match[1]) * UNITS[match[2]])
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.astimezone()
    except (ValueError, OverflowError):
        moment = now
    if moment <= now:
        raise typer.BadParameter(
            f"{text!r} is neither 90d nor 12h nor a time to come", param_hint="--expires"
        )
    return moment


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if not key.is_valid(datetime.now(UTC)):
        return "expired"
    return "valid" if key.expires_at is None else f"until {_shown(key.expires_at)}"


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")
