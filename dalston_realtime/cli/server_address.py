"""Finds the address of the server that a command talks to where --url does not name one."""

import os
import re
from pathlib import Path
from typing import Final

import typer

DOTENV: Final = ".env"  # The file in the current folder that the server's processes read too.
_ASSIGNMENT: Final = re.compile(r"\s*(?:export\s+)?(DALSTON_\w+)\s*=\s*(.*?)\s*")


def server_address(context: typer.Context, parameter: typer.CallbackParam, given: str) -> str:
    """The value of --url or DALSTON_URL; without them the address of the server on this machine.

    That is DALSTON_URL of `.env`, or the port DALSTON_GATEWAY_PORT of the environment or of `.env`.
    """
    source = context.get_parameter_source(parameter.name or "")
    if source is None or source.name != "DEFAULT":  # typer has an enumeration of its own or click's
        return given
    settings = _dotenv(Path(DOTENV)) | {name: value for name, value in os.environ.items() if value}
    if url := settings.get("DALSTON_URL"):
        return url
    port = settings.get("DALSTON_GATEWAY_PORT")
    return f"ws://127.0.0.1:{port}" if port else given


def _dotenv(path: Path) -> dict[str, str]:
    """The settings of the file; nothing where it can't be read."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {found[1]: _unquoted(found[2]) for line in lines if (found := _ASSIGNMENT.fullmatch(line))}


def _unquoted(value: str) -> str:
    """The value without its quotes, or without a comment behind it."""
    if value[:1] in ("'", '"') and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return re.split(r"\s#", f" {value}", maxsplit=1)[0].strip()
