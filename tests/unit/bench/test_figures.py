"""Scores in, the row of a table out; tables and documents of rows."""

import asyncio
import os
import re
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from bench.measure.figures import Figures, errors_of, growth, percentile, ratio, summarize
from bench.measure.level import Level
from bench.measure.process_usage import Cost, Meter
from bench.measure.score import Score
from bench.report.result_file import (
    Document,
    check_writable,
    conditions,
    cpu_model,
    differences,
    read,
    read_levels,
    revision,
)
from bench.report.table import by, compare_tables, figures_tables
from dalston_realtime.client.errors import OutputError, UsageError
from dalston_realtime.client.results.latency import budget_rows

COST = Cost(10.0, 4.0, 250_000_000, None, 0.5, 0.25)
SCORE = Score(
    session=0,
    recording="hello",
    began=0.0,
    seconds=2.0,
    connected=4.0,
    client_late=0.002,
    text="hello",
    error=None,
    failed=False,
    late=False,
    time_to_final=0.4,
    time_to_settle=0.3,
    first_partial=0.5,
    word_latency=(0.1, 0.2, 0.3),
    word_ends=(0.5, 1.0, 1.5),
    shown_words=10,
    taken_back=1,
    word_errors=1,
    reference_words=8,
)


def figures(*scores: Score, cost: Cost = COST) -> Figures:
    return summarize(2, scores, cost)


def level(*scores: Score, interrupted: bool = False, sessions: int = 2) -> Level:
    found = summarize(sessions, scores, COST)
    return Level(sessions, interrupted, found, tuple(budget_rows([])), (), scores)


def text_of(*tables: object, width: int = 120) -> str:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(*tables, sep="")
    return console.export_text()


def test_percentiles_are_over_recordings_and_words_over_all_words() -> None:
    row = figures(SCORE, replace(SCORE, time_to_final=0.6, word_latency=(1.0,), word_ends=(0.5,)))
    assert row.final_p50 == pytest.approx(0.5)
    assert row.recordings == 2
    assert row.word_p50 == pytest.approx(0.25)


def test_wrong_words_are_counted_over_all_references() -> None:
    unknown = replace(SCORE, word_errors=None, reference_words=None)
    assert figures(SCORE, replace(SCORE, word_errors=3), unknown).wer_percent == pytest.approx(25.0)
    assert figures(unknown).wer_percent is None


def test_cut_sentences_are_counted_per_minute_of_recordings() -> None:
    known = replace(SCORE, cut_sentences=0)
    row = figures(SCORE, known, replace(known, cut_sentences=1), replace(known, seconds=8.0, cut_sentences=3))
    assert row.cut_sentences == pytest.approx(20.0)
    assert figures(SCORE).cut_sentences is None


def test_a_stream_costs_cpu_per_second_that_it_is_open() -> None:
    row = figures(SCORE, SCORE)
    assert row.cores == pytest.approx(0.4)
    assert row.cores_per_stream == pytest.approx(0.5)
    assert row.memory_mb == pytest.approx(250.0)
    assert (row.gpu_memory_mb, row.gpu_busy_percent) == (None, None)
    device = figures(SCORE, cost=replace(COST, gpu_memory=4_000_000_000, gpu_busy=37.5))
    assert (device.gpu_memory_mb, device.gpu_busy_percent) == (4_000.0, 37.5)


def test_where_the_processes_are_not_known_the_cost_is_not() -> None:
    row = figures(SCORE, cost=replace(COST, server_cpu=None, memory=None))
    assert (row.cores, row.cores_per_stream, row.memory_mb) == (None, None, None)


def test_without_recordings_there_are_no_figures() -> None:
    row = figures()
    assert (row.recordings, row.final_p50, row.wer_percent, row.lag_growth) == (0, None, None, None)


def test_a_lag_that_grows_over_the_run_shows() -> None:
    scores = [replace(SCORE, began=10.0 * i, word_latency=(0.1 * i,) * 3) for i in range(5)]
    assert growth(scores) == pytest.approx(0.01, rel=0.05)
    assert growth(scores[:3]) is None  # too short to say


def test_failures_and_their_reasons_are_counted() -> None:
    lost = replace(SCORE, failed=True, late=True, error="lost")
    row = figures(SCORE, lost, lost)
    assert (row.failed, row.late, errors_of([SCORE, lost, lost])) == (2, 2, ["lost"])


def test_nothing_has_no_percentile_and_no_ratio() -> None:
    assert percentile([], 50) is None
    assert ratio(None, 2.0) is None
    assert ratio(1.0, 0.0) is None


def test_the_table_has_a_column_for_each_number_of_sessions() -> None:
    levels = [level(SCORE, sessions=1), level(SCORE, interrupted=True, sessions=8)]
    text = text_of(*figures_tables(levels, 120))
    assert "N = 1" in text
    assert re.search(r"N = 8 *\n.*\(cut short\)", text)
    assert "0.400" in text
    assert "GPU" not in text


def test_what_is_too_wide_for_a_terminal_is_several_tables() -> None:
    levels = [level(SCORE, sessions=2**k, interrupted=k == 9) for k in range(10)]
    tables = list(figures_tables(levels, 80))
    text = text_of(*tables, width=80)
    assert len(tables) == 3
    assert text.count("Time to final p50, s ") == 3
    assert "N = 512" in text
    assert "…" not in text


def test_ratios_to_an_older_result() -> None:
    old = asdict(figures(SCORE))
    new = {**old, "final_p50": 0.8, "wer_percent": None}
    other = {**old, "sessions": 64}
    text = text_of(*compare_tables([new, other], [old], 120))
    assert "×2.00" in text
    assert "N = 64" not in text
    assert "Time to final p95" in text
    assert "none of these numbers" in text_of(*compare_tables([other], [old], 120))


@pytest.mark.parametrize(("new", "old"), [(None, 1.0), (1.0, None), (1.0, 0.0), (0.1, -0.1), (-0.1, 0.1)])
def test_what_has_no_ratio(new: float | None, old: float | None) -> None:
    assert by(new, old) is None
    assert by(1.0, 2.0) == 0.5


def test_what_makes_results_hard_to_compare_is_said() -> None:
    old = {"settings": {"seconds": 20.0, "sessions": [1]}, "conditions": {"cpu": "x", "when": "then"}}
    new = {"settings": {"seconds": 60.0, "sessions": [2]}, "conditions": {"cpu": "x", "when": "now"}}
    assert differences(new, old) == ["seconds was 20.0, is 60.0"]
    assert differences(old, old) == []


def test_a_document_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    Document("bench", {"seed": 1}, [level(SCORE)], conditions()).save(path)
    found = read(path)
    assert found["results"][0]["figures"]["final_p50"] == pytest.approx(0.4)
    assert found["conditions"]["cores"] >= 1
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_result_has_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    server = {"internal_secret": "0123456789abcdef", "max_batch": "4"}
    chosen = {"redis_url": "redis://:password@host"}
    Document("bench", {"seed": 1, "chosen": chosen, "server": server}, [], {}).save(path)
    assert read(path)["settings"]["server"]["max_batch"] == "4"
    assert not re.search("0123456789abcdef|password", path.read_text())


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 99}', b'{"format": 1}'])
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="not a result of the benchmark"):
        read(path)


def test_a_result_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(Path("/nowhere/x.json"))
    with pytest.raises(OutputError, match="can't be written"):
        Document("bench", {}, [], {}).save(Path("/nowhere/x.json"))


def test_only_numbers_of_sessions_are_compared(tmp_path: Path) -> None:
    for command in ("bench", "capacity"):
        Document(command, {}, [level(SCORE)], {}).save(tmp_path / "x.json")
        assert read_levels(tmp_path / "x.json")["command"] == command
    Document("noise", {}, [], {}).save(tmp_path / "x.json")
    with pytest.raises(UsageError, match="a result of `bench noise`"):
        read_levels(tmp_path / "x.json")


def test_whether_a_file_can_be_written_is_known_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []
    for path in (tmp_path, tmp_path / "none" / "x.json"):
        with pytest.raises(OutputError, match="can't be written"):
            check_writable(path)


def test_the_conditions_say_what_it_takes_to_repeat_it(tmp_path: Path) -> None:
    known = conditions()
    assert {"when", "revision", "cpu", "cores", "python", "versions"} <= known.keys()
    assert orjson.dumps(known)
    assert revision(tmp_path) is None
    assert cpu_model(tmp_path / "none") != ""


def test_a_meter_sees_this_process_use_the_cpu() -> None:
    meter = Meter(os.getpid())
    mark = meter.mark()
    while meter.look() - mark.server < 0.02:
        sum(range(10_000))
    cost = mark.cost(1.0)
    assert cost.server_cpu is not None
    assert cost.server_cpu >= 0.02
    assert cost.memory is not None
    assert cost.memory > 1_000_000


def test_a_meter_without_a_process_knows_no_cost() -> None:
    cost = Meter(None).mark().cost(1.0)
    assert (cost.server_cpu, cost.memory) == (None, None)


def test_a_meter_bears_that_the_process_is_gone() -> None:
    async def watch() -> None:
        task = asyncio.create_task(meter.watch())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    meter = Meter(2**22 + 1)
    asyncio.run(watch())
    assert meter.look() == 0.0
