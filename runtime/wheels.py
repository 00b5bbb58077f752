"""Finds the files of an installed wheel without importing it, which may cost seconds."""

from importlib.util import find_spec
from pathlib import Path

from runtime.errors import StartupError


def folder_of(package: str, requirement: str) -> Path:
    """The folder of a package that `pip install requirement` brings.

    Raises:
        StartupError: it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        name = requirement.partition("==")[0]
        raise StartupError(f"{name} is not installed; pip install {requirement}")
    return Path(spec.origin).parent
