"""docs/operations.md names the metrics that the code has, and its files have the form that they need."""

import re
import subprocess
import sys
from typing import Final

import pytest

from broker import checkpoint_record
from runtime import worker_link
from tests.support.documents import ROOT, rows

DOCUMENT: Final = ROOT / "docs" / "operations.md"
LIST_METRICS: Final = """
import sys, pathlib
from gateway.metrics import GatewayMetrics
from stages.metrics import SessionLags, open_metrics

def names(families):
    for family in families:
        suffix = "_total" if family.type == "counter" else ""
        print(sys.argv[2], family.name.removesuffix("_total") + suffix)

if sys.argv[2] == "worker":
    metrics = open_metrics(pathlib.Path(sys.argv[1]))
    names(SessionLags([0.0]).collect())
else:
    metrics = GatewayMetrics()
for value in vars(metrics).values():
    if hasattr(value, "describe"):
        names(value.describe())
"""
"""Runs in a process of its own: prometheus-client decides on import whether it works across processes."""


@pytest.fixture(scope="module")
def in_code(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The series of gateway and worker, by process."""
    folder = str(tmp_path_factory.mktemp("metrics"))
    found: dict[str, set[str]] = {}
    for process in ("gateway", "worker"):
        command = [sys.executable, "-c", LIST_METRICS, folder, process]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        found[process] = {line.split()[1] for line in done.stdout.splitlines()}
    return found


@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_every_series_has_its_line(process: str, in_code: dict[str, set[str]]) -> None:
    table = rows(DOCUMENT, f"Series of a {process}")
    assert {row[0].strip("`") for row in table} == in_code[process]
    assert all(len(row) == 3 and all(row) for row in table)


def test_the_changelog_names_the_versions_of_the_contracts() -> None:
    text = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    (link, checkpoint) = re.findall(r"worker link (\d+), checkpoint (\d+)", text)[0]
    assert (int(link), int(checkpoint)) == (worker_link.VERSION, checkpoint_record.VERSION)
