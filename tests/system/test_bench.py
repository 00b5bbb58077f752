"""Runs `dalston-rt bench` with a server and a model of its own."""

import subprocess
import sys
from pathlib import Path

from bench.report.result_file import read_result

DEADLINE_S = 240.0


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "dalston_realtime.cli", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_a_server_of_its_own_is_measured_and_reported(tmp_path: Path) -> None:
    out, page = tmp_path / "result.json", tmp_path / "report.html"
    options = (
        "--sessions",
        2,
        "--seconds",
        1,
        "--flush-after",
        0.2,
        "--seed",
        8,
        "--out",
        out,
        "--report",
        page,
    )
    done = bench(*options)
    assert done.returncode == 0, done.stderr
    assert "Time to final p50" in done.stdout
    (level,) = read_result(out)["results"]
    figures = level["figures"]
    assert (figures["failed"], figures["recordings"]) == (0, 2)
    assert figures["final_p50"] > 0
    assert figures["wer_percent"] is None or figures["wer_percent"] < 30
    assert figures["cores"] > 0
    assert figures["memory_mb"] > 100
    assert next(row for row in level["budget"] if row["stage"] == "ASR inference")["finals"]["p50"] > 0
    assert "the same engine hears each as a whole" in done.stdout
    assert read_result(out)["answer"]["whole"] < 30
    assert "<svg" in page.read_text()


def test_the_overhead_is_that_of_the_whole_pipeline(tmp_path: Path) -> None:
    out = tmp_path / "overhead.json"
    done = bench("overhead", "--sessions", 3, "--seconds", 4, "--out", out)
    assert done.returncode == 0, done.stderr
    (step,) = read_result(out)["results"]
    assert (step["failed"], step["errors"]) == (0, [])
    assert step["added_p50"] is not None
    assert step["frames_per_core"] > 0


def test_nothing_is_heard_in_silence(tmp_path: Path) -> None:
    out = tmp_path / "noise.json"
    done = bench("noise", "--seconds", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    found = {sound["signal"]: sound["words"] for sound in read_result(out)["results"]}
    assert found["silence"] == 0
    assert len(found) == 17


def test_a_search_for_the_capacity_ends_with_an_answer(tmp_path: Path) -> None:
    out = tmp_path / "capacity.json"
    done = bench("capacity", "--most", 1, "--bound", 4, "--seconds", 1, "--seed", 8, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "1 session held" in done.stdout
    assert read_result(out)["answer"]["sessions"] == 1


def test_routing_is_measured_without_a_model(tmp_path: Path) -> None:
    out = tmp_path / "routing.json"
    options = ("--sessions", 3, "--workers", 2, "--idle", 4, "--idle-workers", 1, "--seconds", 0.5)
    done = bench("routing", *options, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Routing p50" in done.stdout
    steps = read_result(out)["results"]
    assert [(s["failed"], s["routed"], s["errors"]) for s in steps] == [(0, 10, []), (0, 10, []), (0, 4, [])]
    assert all(s["gateway_mb"] > 10 for s in steps)
