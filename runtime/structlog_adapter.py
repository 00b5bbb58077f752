"""Imports structlog without the library rich, which it loads wherever that is installed.

structlog (checked: 25.4 to 26.1) needs rich only for tracebacks in colour, which no server process prints,
and has no setting for it. Without rich a process has 5 MB less, and a server has eight of them. Our processes
import structlog from here, and nowhere else.
"""

import sys

_HIDE = "rich" not in sys.modules
if _HIDE:
    sys.modules["rich"] = None  # type: ignore[assignment]  # so an import of it fails, for which structlog is made
try:
    import structlog
finally:
    if _HIDE:
        del sys.modules["rich"]

__all__ = ["structlog"]
