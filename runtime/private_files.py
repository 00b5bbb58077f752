"""Makes folders that only this user may read."""

import os
from pathlib import Path

from runtime.errors import StartupError
from runtime.settings import PREFIX


def make_private_dir(path: Path) -> Path:
    """Make `path` (mode 0700), or check that an existing one is ours alone.

    Raises:
        StartupError: it belongs to somebody else, or others may write into it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = path.stat()
    if stat.st_uid != os.getuid():
        raise StartupError(f"{path} belongs to another user; set {PREFIX}RUN_DIR to a folder of yours")
    if stat.st_mode & 0o077:
        path.chmod(0o700)
    return path
