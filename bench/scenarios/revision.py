"""Provides the files of a git revision in a folder of their own."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dalston_realtime.client.errors import UsageError
from runtime.local_server import ROOT


@contextmanager
def revision_files(rev: str) -> Iterator[Path]:
    """Check out a revision into a folder that is removed at the end of the block.

    Raises:
        UsageError: git has no such revision, or this is no repository.
    """
    with tempfile.TemporaryDirectory(prefix="dalston-guard-") as folder:
        path = Path(folder) / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(path), f"{rev}^{{commit}}")
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def _git(*arguments: str) -> None:
    try:
        subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    except FileNotFoundError:
        raise UsageError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        raise UsageError(f"git {arguments[0]}: {last[0]}") from None
