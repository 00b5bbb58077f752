"""Compares what deploys and watches the server with the server, and has the tools read it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import ROOT, rows

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in (DEPLOY / "kubernetes/overlays").iterdir())
RULES = DEPLOY / "prometheus/rules.yaml"
DASHBOARD = DEPLOY / "grafana/dashboards/dalston.json"
SETTING = re.compile(r"DALSTON_[A-Z_]+")
SERIES = re.compile(r"dalston_[a-z_]+")


def series() -> set[str]:
    """The names of all series, by the page that lists them, which another test compares with the code."""
    page = ROOT / "docs/operations.md"
    return {row[0].strip("`") for kind in ("gateway", "worker") for row in rows(page, f"Series of a {kind}")}


def files(*suffixes: str) -> Iterator[Path]:
    """The files of the folder."""
    return (path for path in DEPLOY.rglob("*") if path.suffix in suffixes)


def used(text: str) -> set[str]:
    """The series that expressions ask for, without what Prometheus adds to a histogram's name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in SERIES.findall(text)}


def alarms() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def test_every_setting_that_is_set_exists() -> None:
    known = set(SETTING.findall((ROOT / "docs/configuration.md").read_text()))
    texts = [path.read_text() for path in (*files(".yaml", ".service"), DEPLOY / "containers/Containerfile")]
    assert set().union(*map(SETTING.findall, texts)) - known == set()


def test_alarms_and_panels_ask_for_series_that_exist() -> None:
    expressions = [rule["expr"] for rule in alarms()]
    expressions += [target["expr"] for panel in panels() for target in panel["targets"]]
    assert used("\n".join(expressions)) - series() == set()


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel.get("description")] == []
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_the_runbook_has_every_alarm() -> None:
    runbook = (ROOT / "docs/operations.md").read_text()
    assert [rule["alert"] for rule in alarms() if f"| `{rule['alert']}` |" not in runbook] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_the_manifests(overlay: str) -> None:
    """Each overlay renders; each container may do little, and says what it needs."""
    documents = list(yaml.safe_load_all(run("kubectl", "kustomize", f"kubernetes/overlays/{overlay}")))
    kinds = [document["kind"] for document in documents]
    assert {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "ConfigMap"} <= set(kinds)
    for document in documents:
        for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], container["name"]
            assert not security["allowPrivilegeEscalation"], container["name"]
            assert container["resources"]["requests"]["memory"], container["name"]
            assert container["resources"]["limits"]["memory"], container["name"]


def test_prometheus_takes_the_rules() -> None:
    assert f"{len(alarms())} rules found" in run("promtool", "check", "rules", "prometheus/rules.yaml")


@pytest.mark.parametrize("unit", sorted(path.name for path in files(".service")))
def test_systemd_takes_the_units(unit: str) -> None:
    shutil.which("systemd-analyze") or pytest.skip("systemd-analyze is not installed")
    command = ["systemd-analyze", "verify", f"systemd/{unit}"]
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
    said = subprocess.run(command, cwd=DEPLOY, check=False, **options).stderr
    # That nothing is installed in /opt is no fault of the unit.
    assert [line for line in said.splitlines() if unit in line and "/opt/dalston" not in line] == []


def run(program: str, *arguments: str) -> str:
    """What a tool of Debian's says; without it, the test is skipped."""
    shutil.which(program) or pytest.skip(f"{program} is not installed")
    command = [program, *arguments]
    return subprocess.run(command, cwd=DEPLOY, check=True, capture_output=True, text=True, timeout=60).stdout
