"""docs/configuration.md says what each process reads."""

from typing import Final

import pytest

from bench.servers.settings import KINDS
from runtime.settings import PREFIX, Settings
from tests.support.documents import ROOT, code_blocks, rows

DOCUMENT: Final = ROOT / "docs" / "configuration.md"
CLASSES: Final = {ancestor.__name__: ancestor for kind in KINDS for ancestor in kind.__mro__}
SECTIONS: Final[dict[str, type[Settings]]] = {
    heading: CLASSES[name]
    for heading, name in {
        "Every process": "Settings",
        "gateway and broker": "BrokerSettings",
        "history": "StorageSettings",
        "gateway": "GatewaySettings",
        "enhancer": "EnhancerSettings",
        "broker": "WatchSettings",
        "redis": "EmbeddedRedisSettings",
        "Every process of a worker": "WorkerSettings",
        "receiver": "ReceiverSettings",
        "vad": "VadSettings",
        "Engines": "EngineSettings",
        "asr": "AsrSettings",
    }.items()
}
"""The headings of the tables, and the class whose own fields each table shows."""


def own_rows(kind: type[Settings]) -> list[list[str]]:
    """A row for each setting that a class adds to those of its base."""
    inherited = {name for base in kind.__bases__ for name in getattr(base, "model_fields", {})}
    found = []
    for name, field in kind.model_fields.items():
        if name not in inherited:
            default = "" if field.default in (None, "") else f"`{field.default}`"
            found.append([f"`{PREFIX}{name.upper()}`", default, field.description or ""])
    return found


def shown(heading: str) -> list[list[str]]:
    return [row for row in rows(DOCUMENT, heading) if row[0].startswith(f"`{PREFIX}")]


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_table_has_the_settings_of_its_process(heading: str) -> None:
    wanted = own_rows(SECTIONS[heading])
    lines = "\n".join("| " + " | ".join(row) + " |" for row in wanted)
    assert sorted(shown(heading)) == sorted(wanted), f"paste these into {DOCUMENT}, {heading}:\n{lines}"


def test_every_kind_of_process_is_in_the_document() -> None:
    covered = {kind for section in SECTIONS.values() for kind in section.__mro__}
    assert set(KINDS) <= covered


def test_no_setting_has_two_lines() -> None:
    names = [row[0] for heading in SECTIONS for row in shown(heading)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described(kind: type[Settings]) -> None:
    assert all(field.description for field in kind.model_fields.values())


def test_the_lines_for_the_env_file_are_settings() -> None:
    (example,) = (block.text for block in code_blocks(DOCUMENT) if block.language == "dotenv")
    names = {name for kind in KINDS for name in kind.model_fields}
    for line in example.splitlines():
        assert line.partition("=")[0].removeprefix(PREFIX).lower() in names
