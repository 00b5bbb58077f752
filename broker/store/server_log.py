"""Filters what the embedded Redis server prints: what is the same at every start and stop is left out.

It runs as a program of its own without imports of ours, to be small, and ends when the server has ended.
"""

import re
import signal
import sys
from collections.abc import Iterable, Iterator
from typing import Final

# Redis prints these at its log level "warning" and has no setting to leave them out. That memory may be
# overcommitted matters to large databases that are saved by a fork; ours holds a few megabytes.
USUAL: Final = re.compile(
    r"oO0OoO0OoO0Oo|Redis version=|Configuration loaded|Memory overcommit must be enabled"
    r"|overcommit_memory is set to 0|User requested shutdown"
    r"|Redis is now ready to exit"
)


def unusual(lines: Iterable[str]) -> Iterator[str]:
    """The lines that tell something."""
    return (line for line in lines if not USUAL.search(line))


def main() -> None:
    """Copy the unusual lines until the server is gone, whichever signals its process group gets."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    for line in unusual(sys.stdin):
        sys.stdout.write(line)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
