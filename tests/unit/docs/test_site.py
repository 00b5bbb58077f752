"""The documents become a site whose links lead somewhere, and that asks no other host for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import ROOT, documents

LOADED: Final = re.compile(
    r"<(?:script|img|iframe)[^>]*\bsrc=\"https?:|<link[^>]*\bstylesheet[^>]*href=\"https?:"
)
"""What a browser would load from another host."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; building it is strict, so a link that leads nowhere ends it."""
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {
        "NO_MKDOCS_2_WARNING": "1",
        "DOCS_SOURCE_URL": "https://code.example/blob/main",
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_document_is_a_page_and_markdown(site: Path) -> None:
    names = {
        str(path.relative_to(ROOT / "docs")) for path in documents() if path.is_relative_to(ROOT / "docs")
    }
    names |= {"readme.md", "changelog.md", "contributing.md", "report-a-fault.md"}
    assert [name for name in sorted(names) if not (site / name).with_suffix(".html").is_file()] == []
    listed = (site / "llms.txt").read_text()
    missing = [name for name in sorted(names - {"index.md"}) if f"/{name})" not in listed]
    assert missing == []
    assert [name for name in sorted(names - {"index.md"}) if not (site / name).is_file()] == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    assert [str(page) for page in site.rglob("*.html") if LOADED.search(page.read_text())] == []


def test_links_to_code_lead_to_the_repository(site: Path) -> None:
    page = (site / "architecture.html").read_text()
    assert 'href="https://code.example/blob/main/stages/messages.py"' in page
    assert 'href="../' not in page
