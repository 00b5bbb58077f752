"""Checks the table of the latency budget."""

from dalston_realtime.cli.display.latency_table import print_budget
from dalston_realtime.client.results.transcript import Sample
from tests.support.rendering import screen


def test_the_budget_is_a_table_of_figures() -> None:
    console, out = screen(100)
    samples = [Sample(True, {"asr": 300.0, "vad": 1.25}, 0.002), Sample(False, {"asr": 90.0}, None)]

    print_budget(console, samples)

    lines = {text[:20].strip(): text.split()[-5:] for text in out.getvalue().splitlines()}
    assert "Latency, ms (1 partial, 1 final)" in out.getvalue()
    assert lines["ASR inference"] == ["~250", "90", "90", "300", "300"]
    assert lines["VAD processing"] == ["~20", "–", "–", "1.2", "1.2"]


def test_no_timing_is_said() -> None:
    console, out = screen()

    print_budget(console, [])

    assert "No timing" in out.getvalue()


def test_faster_than_speech_there_is_no_budget_and_it_says_why() -> None:
    console, out = screen(100)

    print_budget(console, [Sample(True, {"asr": 300.0}, 0.002)], fast=True)

    assert "~" not in out.getvalue()
    assert "at the pace of speech" in out.getvalue()
