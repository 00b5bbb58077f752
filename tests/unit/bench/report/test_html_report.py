"""Checks the page of tables and charts that is made from a result."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from bench.load.load_client import LoadClient, LoadTarget
from bench.report.charts import level_charts
from bench.report.html_report import write_report
from bench.report.result_file import ResultFile, conditions, read_result
from bench.scenarios.overhead import step_figures
from dalston_realtime.client.errors import OutputError, UsageError
from dalston_realtime.client.results.latency import budget_rows
from dalston_realtime.client.results.transcript import Sample
from tests.support.bench_results import SCORE, USAGE, level


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    """Two levels, the second with a budget."""
    path = tmp_path / "result.json"
    levels = orjson.loads(orjson.dumps([level(SCORE, sessions=1), level(SCORE, SCORE, sessions=16)]))
    rows = budget_rows([Sample(True, {"asr": 90.0, "receiver": 1.0, "routing": 2.0}, 0.002)])
    levels[1]["budget"] = orjson.loads(orjson.dumps(rows))
    answer = {"live": 3.0, "whole": 2.5}
    ResultFile("bench", {"seed": 1, "note": "<b>"}, levels, conditions(), answer).save(path)
    return read_result(path)


def test_the_page_needs_no_other_file(result: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    write_report(result, page)
    text = page.read_text()
    assert not re.findall(r"<(?:script|link|img|image)\b|url\(\s*['\"]?(?!#)", text)
    assert "N = 16" in text
    assert "0.400" in text
    assert "&lt;b&gt;" in text
    assert text.count("<svg") == 6
    assert "ASR inference" in text
    assert "3.0 % live, 2.5 % where" in text


def test_every_picture_is_an_image_with_a_name(result: dict[str, Any]) -> None:
    found = level_charts(result["results"])
    assert len({title for title, _ in found}) == 6
    for _, svg in found:
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_pictures_without_figures_are_left_out(result: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"time_to_final": None, "word_latency": [], "word_ends": []}
    for each in result["results"]:
        each["scores"] = [score | empty for score in each["scores"]]
        each["figures"] |= {"final_p50": None, "final_p95": None, "final_p99": None, "cores": None}
        each["budget"] = []
    assert level_charts(result["results"]) == []


def test_the_memory_of_a_run_of_minutes_is_drawn(result: dict[str, Any]) -> None:
    assert "Memory of the server over the run" not in dict(level_charts(result["results"]))
    result["results"][0]["memory"] = [[0.0, 800.0], [30.0, 801.0], [90.0, 801.0]]
    assert "Memory of the server over the run" in dict(level_charts(result["results"]))


def test_a_search_shows_each_number_once_with_the_bound(result: dict[str, Any], tmp_path: Path) -> None:
    found = {**result, "command": "capacity", "settings": {"bound": 0.9}}
    found["results"] = [result["results"][1], *result["results"]]
    found["answer"] = {"sessions": 16, "verdict": "16 sessions held"}
    write_report(found, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    assert "<p>16 sessions held</p>" in text
    assert text.count("<th>N = 16</th>") == 1
    assert text.index("<th>N = 1</th>") < text.index("<th>N = 16</th>")


def test_combinations_have_a_page(result: dict[str, Any], tmp_path: Path) -> None:
    rows = [
        {"name": name, "rounds": 2, "figures": level["figures"]}
        for name, level in zip(("defaults", "asr=2"), result["results"], strict=True)
    ]
    write_report(
        {**result, "command": "fanout", "results": rows, "answer": "nothing to set"}, tmp_path / "x.html"
    )
    text = (tmp_path / "x.html").read_text()
    assert "nothing to set" in text
    assert "<td>asr=2</td>" in text
    assert text.count("<svg") == 1


def test_the_overhead_has_a_page(result: dict[str, Any], tmp_path: Path) -> None:
    steps = [
        asdict(step_figures(LoadClient(LoadTarget("ws://x"), b"", 1.0), n, USAGE, interrupted=False))
        for n in (1, 50)
    ]
    steps[1] |= {"added_p50": 3.0, "added_p99": 9.0, "microseconds": {"vad": 90.0}, "errors": ["hung up"]}
    write_report({**result, "command": "overhead", "results": steps}, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    assert "N = 50: hung up" in text
    assert "<td>vad</td><td>90</td>" in text
    assert text.count("<svg") == 2


def test_one_number_of_sessions_makes_no_curve(result: dict[str, Any]) -> None:
    titles = [title for title, _ in level_charts(result["results"][:1])]
    assert "How many finals come within" in titles
    assert not [title for title in titles if "against" in title]


def test_what_has_no_report(result: dict[str, Any], tmp_path: Path) -> None:
    others: tuple[dict[str, Any], ...] = ({"command": "noise"}, {"results": []})
    for other in others:
        with pytest.raises(UsageError, match="no report of such a result"):
            write_report({**result, **other}, tmp_path / "x.html")
    with pytest.raises(OutputError, match="can't be written"):
        write_report(result, Path("/nowhere/x.html"))
