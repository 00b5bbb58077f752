"""The tables of docs/architecture.md name files, methods and constants that there are, with their values."""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.sessions.phase import TRANSITIONS
from tests.support.documents import ROOT, rows

DOCUMENT: Final = ROOT / "docs" / "architecture.md"
PACKAGES: Final = ("gateway", "stages", "enhancement", "broker", "storage", "runtime")
BOUND: Final = re.compile(r"MAX_\w+|\w+_(S|MS|NS)|\w*HWM|CREDIT")
"""Names of constants that are waits or bounds."""
BOUND_FIELDS: Final = ("Limits", "Times", "Intervals")
"""Ends of the names of classes whose fields are waits or bounds."""
UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20}
MOST_FILES: Final = 30  # Files on the way of a chunk, so that a reader can follow it.
LINK: Final = re.compile(r"\[([\w/.]+)\]\(\.\./([\w/.]+)\)")


def file_of(cell: str) -> str:
    """The path in a cell with a link; its text and its target are the same."""
    match = LINK.fullmatch(cell)
    assert match is not None, cell
    assert match[1] == match[2]
    return match[1]


@cache
def definitions(file: str) -> frozenset[str]:
    """The functions, and the methods as `Class.method`, of a module."""
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = (n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{method.name}" for method in methods}
    return frozenset(found)


def test_every_hop_of_a_chunk_is_there() -> None:
    hops = [(file_of(file), method.strip("`")) for _, file, method in rows(DOCUMENT, "The life of a chunk")]
    assert [hop for hop in hops if hop[1] not in definitions(hop[0])] == []
    assert 20 <= len({file for file, _ in hops}) <= MOST_FILES


def test_the_phases_and_what_may_be_next_are_those_of_the_code() -> None:
    table = {
        name.strip("`"): set(re.findall(r"`(\w+)`", after))
        for name, _, after in rows(DOCUMENT, "A session's phases")
    }
    assert table == {phase.name: {n.name for n in after} for phase, after in TRANSITIONS.items()}


def bounds() -> Iterator[tuple[str, str, Any]]:
    """Every wait and bound of the server: its file, its name, its value."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield from bounds_of(path.relative_to(ROOT))


def bounds_of(file: Path) -> Iterator[tuple[str, str, Any]]:
    """Those of one module."""
    for node in ast.parse((ROOT / file).read_text()).body:
        name = node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""
        if BOUND.fullmatch(name):
            yield str(file), name, getattr(module_of(file), name)
        if isinstance(node, ast.ClassDef) and node.name.endswith(BOUND_FIELDS):
            kind = getattr(module_of(file), node.name)
            fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
            for field in fields:
                if isinstance(field.default, int | float):
                    yield str(file), f"{node.name}.{field.name}", field.default


def module_of(file: Path) -> Any:
    return importlib.import_module(".".join(file.with_suffix("").parts))


def shown() -> dict[tuple[str, str], float]:
    """The table: file and name, and the value in the constant's own unit."""
    found = {}
    for name, value, file, _ in rows(DOCUMENT, "Deadlines and budgets"):
        number, unit = value.split()
        found[file_of(file), name.strip("`")] = float(number.replace(",", "")) * UNITS.get(unit, 1)
    return found


def test_every_bound_has_its_line() -> None:
    table = shown()
    missing = [f"| `{name}` | {value} | [{file}](../{file}) | |" for file, name, value in bounds()
               if (file, name) not in table]  # fmt: skip
    assert not missing, "add these to docs/architecture.md, with unit and reason:\n" + "\n".join(missing)


def test_every_line_has_the_value_of_the_code() -> None:
    wrong = []
    for (file, name), value in shown().items():
        kind, _, field = name.partition(".")
        found = getattr(module_of(Path(file)), kind, None)
        if field and found is not None:
            found = next((f.default for f in dataclasses.fields(found) if f.name == field), None)
        if not isinstance(found, int | float) or found != pytest.approx(value):
            wrong.append(f"{file} {name}: {value} in the document, {found} in the code")
    assert not wrong, "\n".join(wrong)


def test_every_bound_has_a_reason() -> None:
    assert all(row[3] for row in rows(DOCUMENT, "Deadlines and budgets"))
