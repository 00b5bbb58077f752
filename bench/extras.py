"""Checks that the libraries which only the benchmark needs are installed."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

from dalston_realtime.client.errors import UsageError

LIBRARIES: Final = ("espeakng_loader", "jiwer", "matplotlib", "psutil", "whisper_normalizer")


def check_libraries(libraries: tuple[str, ...] = LIBRARIES, find: Callable[[str], Any] = find_spec) -> None:
    """Check the libraries at once, rather than after minutes of measuring.

    Raises:
        UsageError: a library is not installed; says how to get it.
    """
    missing = [library for library in libraries if find(library) is None]
    if missing:
        raise UsageError(
            f"the benchmark needs {', '.join(missing)}: pip install 'dalston-realtime[bench]'"
            " (make bench does it by itself)"
        )
