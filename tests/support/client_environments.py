"""Makes the environments in which the clients of other services run, once on each machine."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.local_server import ROOT

FOLDER: Final = ROOT / ".venv-dialects"
REQUIREMENTS: Final = ROOT / "tests" / "dialects"
INSTALL_S: Final = 900.0  # Seconds: some hundred MB come over the network.


def interpreter_of(name: str) -> Path:
    """The interpreter of the environment with the packages of `requirements-NAME.txt`."""
    requirements = REQUIREMENTS / f"requirements-{name}.txt"
    python = FOLDER / name / "bin" / "python"
    _once(FOLDER / name, requirements, lambda: _make(FOLDER / name, python, requirements))
    return python


def why_no_node() -> str | None:
    """Why the clients for Node can't be tried here; None where they can."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(missing)} is not installed" if missing else None


def node_folder() -> Path:
    """A folder with the packages of `node/package-lock.json`."""
    folder, source = FOLDER / "node", REQUIREMENTS / "node"
    _once(folder, source / "package-lock.json", lambda: _make_node(folder, source))
    return folder


def _once(folder: Path, wants: Path, make: Callable[[], None]) -> None:
    """Make an environment, unless it is there as the file `wants` says."""
    mark = folder / "installed"
    wanted = hashlib.sha256(wants.read_bytes()).hexdigest()
    if not (mark.is_file() and mark.read_text() == wanted):
        make()
        mark.write_text(wanted)


def _make_node(folder: Path, source: Path) -> None:
    """No package's own scripts run."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    _run("npm", "ci", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund")


def _make(folder: Path, python: Path, requirements: Path) -> None:
    """All versions are resolved, so pip has nothing to look for; what nobody imports is left out."""
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    _run(*pip, "--requirement", str(requirements))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
