"""Makes the environments in which the clients of other services run, once on each machine."""

import hashlib
import subprocess
import sys
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
    mark = FOLDER / name / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (mark.is_file() and mark.read_text() == wanted):
        _make(FOLDER / name, python, requirements)
        mark.write_text(wanted)
    return python


def _make(folder: Path, python: Path, requirements: Path) -> None:
    """All versions are resolved, so pip has nothing to look for; what nobody imports is left out."""
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    _run(*pip, "--requirement", str(requirements))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
