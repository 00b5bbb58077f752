"""A result in, one page with its tables and pictures out."""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from bench.document import Document, conditions, read
from bench.pictures import pictures
from bench.report import write
from client.errors import OutputError, UsageError
from client.latency import budget_rows
from client.transcript import Sample
from tests.unit.test_bench_figures import SCORE, level


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    """Two levels, the second with a budget."""
    path = tmp_path / "result.json"
    levels = orjson.loads(orjson.dumps([level(SCORE, sessions=1), level(SCORE, SCORE, sessions=16)]))
    rows = budget_rows([Sample(True, {"asr": 90.0, "receiver": 1.0, "routing": 2.0}, 0.002)])
    levels[1]["budget"] = orjson.loads(orjson.dumps(rows))
    Document("bench", {"seed": 1, "note": "<b>"}, levels, conditions()).save(path)
    return read(path)


def test_the_page_needs_no_other_file(result: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write(result, page)
    text = page.read_text()
    assert not re.findall(r"<(?:script|link|img|image)\b|url\(\s*['\"]?(?!#)", text)
    assert "N = 16" in text
    assert "0.400" in text
    assert "&lt;b&gt;" in text
    assert text.count("<svg") == 6


def test_every_picture_is_an_image_with_a_name(result: dict[str, Any]) -> None:
    found = pictures(result["results"])
    assert len({title for title, _ in found}) == 6
    for _, svg in found:
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_pictures_without_figures_are_left_out(result: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"time_to_final": None, "word_latency": [], "word_ends": []}
    for each in result["results"]:
        each["scores"] = [score | empty for score in each["scores"]]
        each["figures"] |= {"final_p50": None, "final_p95": None, "final_p99": None, "cores": None}
        each["budget"] = []
    assert pictures(result["results"]) == []


def test_only_played_sessions_have_a_report(result: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="report only of sessions"):
        write({**result, "results": [{"figures": {}}]}, tmp_path / "x.html")
    with pytest.raises(OutputError, match="can't be written"):
        write(result, Path("/nowhere/x.html"))
