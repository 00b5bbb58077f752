"""The history of the benchmark is made as gateways make one, and each question finds what it should."""

from pathlib import Path

from bench.report.result_file import read_result
from bench.scenarios.history import measure


def test_each_question_finds_what_it_should(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    assert measure(300, 1, None, out) == 0
    found = {each["question"]: each["found"] for each in read_result(out)["results"]}
    assert found["first page"] == found["first page, page 2"] == found["search, a common word"] == 50
    assert found["by one call's metadata"] == found["search, a word said once"] == 1
    assert found["by metadata that nobody has"] == found["search, a word that nobody said"] == 0
    assert found["by time, the oldest"] == 10
    assert found["transcript of four hours"] == 5_000
