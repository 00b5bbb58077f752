"""Prints how each client did, where `make conformance` asks for it."""

import os
import re

import pytest

from tests.support.conformance import table

CASE = re.compile(r".*::test_a_client_connects_as_it_is\[(.*): (\w+)\]")
WORDS = {"passed": "yes", "failed": "NO", "error": "NO"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the table."""
    if os.environ.get("CONFORMANCE") != "all":
        return
    results = {}
    for outcome, word in WORDS.items():
        for report in terminalreporter.getreports(outcome):
            if found := CASE.fullmatch(report.nodeid):
                results[found[1], found[2]] = word
    terminalreporter.write_line("\n" + "\n".join(table(results)))
