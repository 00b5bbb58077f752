"""Every relative link and every anchor in the documents leads somewhere."""

from pathlib import Path

import pytest

from tests.support.documents import ROOT, anchors, documents, links


def broken(path: Path, target: str) -> bool:
    """Whether a link of a document leads nowhere; what lies outside of the repository is not looked at."""
    if "://" in target or target.startswith("mailto:"):
        return False
    file, _, anchor = target.partition("#")
    found = (path.parent / file).resolve() if file else path
    if not found.exists() or not found.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in anchors(found)


@pytest.mark.parametrize(
    "path", [*documents(), ROOT / "CONTRIBUTING.md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_somewhere(path: Path) -> None:
    assert [target for target in links(path) if broken(path, target)] == []


def test_every_document_is_on_the_map() -> None:
    index = ROOT / "docs" / "index.md"
    on_the_map = {(index.parent / target.partition("#")[0]).resolve() for target in links(index)}
    missing = [path for path in documents() if path != index and path not in on_the_map]
    assert [str(path.relative_to(ROOT)) for path in missing if path.parent.name != "decisions"] == []
