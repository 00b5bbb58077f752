"""Makes folders that only this user may read, and opens files in them that nobody else has prepared."""

import os
import stat
from pathlib import Path

from runtime.errors import StartupError
from runtime.settings import PREFIX


def make_private_dir(path: Path) -> Path:
    """Make `path` (mode 0700), or check that an existing one is ours, and let nobody else into it.

    Raises:
        StartupError: it belongs to somebody else, is a link or no folder, or can't be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        why = "is a link" if path.is_symlink() else f"can't be used ({(error.strerror or '').lower()})"
        raise StartupError(f"{path} {why}; set {PREFIX}RUN_DIR to a folder of yours") from None
    try:
        found = os.fstat(handle)
        if found.st_uid != os.getuid():
            raise StartupError(f"{path} belongs to another user; set {PREFIX}RUN_DIR to a folder of yours")
        if found.st_mode & 0o077:
            os.fchmod(handle, 0o700)  # Of what was looked at, whatever the path has become.
    finally:
        os.close(handle)
    return path


def open_own_file(path: Path) -> int:
    """Open a file of ours to be written, or make it (mode 0600); the handle.

    Raises:
        OSError: it is a link, no plain file, or belongs to somebody else.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_nlink > 1:
        os.close(handle)
        raise PermissionError(f"{path} is not a file of ours alone")
    return handle
