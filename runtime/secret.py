"""Reads the secret that gateways show to workers, from the settings or from a file that both can read."""

import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.errors import StartupError
from runtime.settings import Settings

FILE: Final = "internal_secret"


def internal_secret(settings: Settings) -> str:
    """The secret of the settings, or that of the data folder, which is made where it is missing.

    Raises:
        StartupError: the file can't be made or read, or others may read it.
    """
    if settings.internal_secret:
        return settings.internal_secret
    path = settings.data_dir / FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise StartupError(f"{path} must be readable by its owner alone: chmod 600 {path}")
        return path.read_text().strip()
    except OSError as error:
        raise StartupError(
            f"can't use {path}: {error.strerror}; see DALSTON_DATA_DIR, or set DALSTON_INTERNAL_SECRET"
        ) from None


def is_authorized(header: str | None, secret: str) -> bool:
    """Whether an `Authorization` header shows the secret; takes the same time for every wrong one."""
    return hmac.compare_digest((header or "").encode(), f"Bearer {secret}".encode())


def _make(path: Path) -> None:
    """Whole or not at all, and only once, however many processes start."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=FILE)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
