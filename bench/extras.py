"""What the benchmark needs beside the project itself."""

from importlib.util import find_spec
from typing import Final

from dalston_realtime.client.errors import UsageError

LIBRARIES: Final = ("jiwer", "matplotlib", "psutil", "whisper_normalizer")


def require(libraries: tuple[str, ...] = LIBRARIES) -> None:
    """Say at once what is missing, rather than after minutes of measuring.

    Raises:
        UsageError: a library is not installed; says how to get it.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise UsageError(
            f"the benchmark needs {', '.join(missing)}: pip install 'dalston-realtime[bench]'"
            " (make bench does it by itself)"
        )
