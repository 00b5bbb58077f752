"""Loads the diarizer that a setting names."""

from typing import Final

from engines.diarization.base import Diarizer
from runtime.errors import StartupError

AUTO: Final = "auto"
EMBEDDED: Final = "embedded"


def load_diarizer(name: str = AUTO, threads: int = 1) -> Diarizer:
    """The diarizer of a name, or the best one for this machine; it uses so many threads of the CPU.

    Raises:
        StartupError: there is no such one, or it can't be loaded; says what to do.
    """
    from engines.diarization.diarizer import EmbeddedDiarizer

    if name not in (AUTO, EMBEDDED):
        raise StartupError(f"no diarizer {name!r}; there is {AUTO} and {EMBEDDED}")
    return EmbeddedDiarizer(threads)
