"""The README's settings table says what the code reads."""

from pathlib import Path

import pytest

from bench.servers.settings import KINDS
from runtime.settings import PREFIX, Settings

README = (Path(__file__).parents[3] / "README.md").read_text()


def rows() -> dict[str, str]:
    """A line of the table for each setting of each kind of process."""
    found = {}
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            default = "" if field.default in (None, "") else f"`{field.default}`"
            variable = f"`{PREFIX}{name.upper()}`"
            found[variable] = f"| {variable} | {default} | {field.description} |"
    return found


def shown() -> list[str]:
    """The lines of the table."""
    return [line for line in README.splitlines() if line.startswith(f"| `{PREFIX}")]


def test_every_setting_has_its_line() -> None:
    missing = [row for row in rows().values() if row not in README]
    assert not missing, "paste these into README.md:\n" + "\n".join(missing)


def test_no_line_is_out_of_date() -> None:
    known = set(rows().values())
    assert [line for line in shown() if line not in known] == []


def test_no_setting_has_two_lines() -> None:
    assert len(shown()) == len({line.split("`")[1] for line in shown()})


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described(kind: type[Settings]) -> None:
    assert all(field.description for field in kind.model_fields.values())
