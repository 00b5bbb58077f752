"""Says which libraries of an extra of this package, such as `server`, are not installed."""

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Final

from runtime.errors import StartupError

PACKAGE: Final = "dalston-realtime"
NAME: Final = re.compile(
    r"[A-Za-z0-9._-]+"
)  # what a requirement such as `redis>=6.4; extra == "server"` begins with
FEW: Final = 3  # libraries that a message names; the command that it shows brings the others too


def require_extra(extra: str, command: str, package: str = PACKAGE) -> None:
    """Check that what `pip install 'package[extra]'` brings is there.

    Raises:
        StartupError: something is missing; says in one line how to get it for `command`.
    """
    missing = [name for name in _required(extra, package) if not _is_installed(name)]
    if missing:
        names = ", ".join(missing[:FEW]) + (", ..." if len(missing) > FEW else "")
        raise StartupError(f"{command} needs {names}: pip install '{package}[{extra}]'")


def _required(extra: str, package: str) -> list[str]:
    """The names of what an extra demands; none where the package itself is not installed."""
    try:
        requirements = requires(package) or []
    except PackageNotFoundError:
        return []
    marked = re.compile(rf"""\bextra == ['"]{re.escape(extra)}['"]""")
    return [found[0] for text in requirements if marked.search(text) and (found := NAME.match(text))]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
