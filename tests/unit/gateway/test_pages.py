"""The pages come with headers that keep them safe and fresh, ask no other host, and are small."""

import re
from pathlib import Path
from typing import Final

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from gateway.pages.page_routes import PAGES, page_routes
from tests.support.documents import ROOT

STATIC: Final = ROOT / "gateway/pages/static"
FILES: Final = sorted(STATIC.iterdir())
MAX_BYTES: Final = 150_000  # Bytes of all pages and their parts.
OTHER_HOST: Final = re.compile(r"""(?:src|href|from|import|url)\s*[=(]?\s*["']?(?:https?:)?//""")


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(Starlette(routes=page_routes()))


@pytest.mark.parametrize("path", [*PAGES, "/static/dalston.js", "/static/style.css", "/static/icon.svg"])
def test_a_page_has_a_strict_policy_and_is_known_again(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_client_may_be_imported_by_pages_of_other_hosts(client: TestClient) -> None:
    assert client.get("/static/dalston.js").headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in client.get("/static/captions.js").headers


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_asks_no_other_host_and_makes_no_html_of_texts(file: Path) -> None:
    content = file.read_text()
    assert OTHER_HOST.findall(content) == []
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\bstyle=\"|\son\w+=\"", content)
        == []
    )


def test_all_pages_together_are_small() -> None:
    assert sum(file.stat().st_size for file in FILES) < MAX_BYTES
