"""Gets axe-core from npm, which finds what keeps people from using a page, and asks it."""

import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.browser import BrowserTab

PACKAGE: Final = "axe-core@4.14.1"
SCRIPT: Final = "package/axe.min.js"
NPM_S: Final = 60.0  # Seconds for the registry.
SERIOUS: Final = """axe.run().then(({ violations }) => violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`))"""


def serious_findings(page: BrowserTab) -> list[str]:
    """What is seriously wrong with the page as it is now; the test is skipped where npm gives nothing."""
    page.evaluate(_script())
    return list(page.run(SERIOUS))


@cache
def _script() -> str:
    folder = Path(tempfile.gettempdir()) / f"dalston-{PACKAGE}"
    if not (folder / SCRIPT).is_file():
        _fetch(folder)
    return (folder / SCRIPT).read_text()


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which gets axe-core")
    with tempfile.TemporaryDirectory() as name:
        command = (npm, "pack", "--silent", PACKAGE, "--pack-destination", name)
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=NPM_S)
        except subprocess.SubprocessError as error:
            pytest.skip(f"npm does not give {PACKAGE}: {error}")
        with tarfile.open(next(Path(name).glob("*.tgz"))) as archive:
            archive.extractall(folder, members=[archive.getmember(SCRIPT)], filter="data")
