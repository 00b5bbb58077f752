"""Reads the Python files of the repository, for the tests that judge the code and not what it does."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runtime.local_server import ROOT

PACKAGES = (
    "bench",
    "broker",
    "dalston_realtime",
    "engines",
    "enhancement",
    "gateway",
    "runtime",
    "stages",
    "storage",
)


@dataclass(frozen=True)
class PythonFile:
    """A file of the repository, by its path from the root, and what stands in it."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("/")[2]

    def is_in(self, *folders: str) -> bool:
        """Whether it is in one of these folders."""
        return self.path.startswith(tuple(f"{folder}/" for folder in folders))

    def calls(self, function: str) -> Iterator[ast.Call]:
        """The calls of this function, named as it is written: `asyncio.sleep`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                yield node

    def imports(self) -> dict[str, str]:
        """The names that it imports, and where each comes from: `{"log": "math.log"}`."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {name.asname or name.name.partition(".")[0]: name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
        return found


@cache
def python_files() -> tuple[PythonFile, ...]:
    """All Python files of the packages and of the tests."""
    return tuple(_read(path) for top in (*PACKAGES, "tests") for path in sorted((ROOT / top).rglob("*.py")))


def _read(path: Path) -> PythonFile:
    return PythonFile(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text()))
