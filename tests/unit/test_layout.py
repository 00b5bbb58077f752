"""Checks that the tests lie where they are looked for, and that helpers lie in tests/support alone."""

from pathlib import Path

from runtime.local_server import ROOT
from tests.support.repository import python_files

RINGS = ("tests/unit", "tests/wire", "tests/pages", "tests/system", "tests/chaos")
PARENTS = (
    ROOT,
    ROOT / "dalston_realtime",
    ROOT / "tests",
)  # A folder of tests/unit is named after one in these.
# Where tests still import one another. This list only gets shorter.
NOT_YET = ("tests/unit/bench",)


def test_the_unit_tests_mirror_the_packages() -> None:
    unit = ROOT / "tests/unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")} - {Path()}
    assert {str(f) for f in folders if not any((parent / f).is_dir() for parent in PARENTS)} == set()


def test_beside_the_tests_there_are_only_fixtures() -> None:
    files = [file for file in python_files() if file.is_in(*RINGS)]
    expected = ("__init__.py", "conftest.py")
    assert [f.path for f in files if not f.name.startswith("test_") and f.name not in expected] == []


def test_no_test_imports_another_one() -> None:
    found = {
        file.path: origin
        for file in python_files()
        for origin in file.imports().values()
        if origin.startswith("tests.") and ".test_" in origin
    }
    assert {path: origin for path, origin in found.items() if not path.startswith(NOT_YET)} == {}
