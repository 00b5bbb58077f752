"""Every code block of the documents says what it is, and few of them are not run."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import ROOT, CodeBlock, code_blocks, documents, prose

RUN: Final = ("sh", "python", "html")
"""Languages of the blocks that tests/system/test_examples.py runs."""

CHECKED: Final = ("ini", "yaml", "json", "dotenv")
"""Languages of the blocks that the tests beside this one read."""

SHOWN: Final = ("text",)
"""Pictures, and outputs."""

MOST_NOT_RUN: Final = 10
"""Blocks that may be marked as not run, in all documents together."""


COMMAND: Final = re.compile(r" {4}(make|dalston-rt|pip|python3?|curl|honcho|uvx|\.venv)\b")


def blocks() -> list[CodeBlock]:
    return [block for path in documents() for block in code_blocks(path)]


def test_every_block_says_what_it_is() -> None:
    unknown = {
        block.name: block.language for block in blocks() if block.language not in RUN + CHECKED + SHOWN
    }
    assert unknown == {}


def test_few_examples_are_not_run() -> None:
    not_run = {block.name: block.not_run for block in blocks() if block.not_run}
    assert len(not_run) <= MOST_NOT_RUN, not_run


def test_the_readme_has_one_example_of_python() -> None:
    (readme, *_) = documents()
    assert [block.language for block in code_blocks(readme)].count("python") == 1


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_hides_in_an_indented_block(path: Path) -> None:
    pairs = pairwise(prose(path))
    assert [line for before, line in pairs if not before and COMMAND.match(line)] == []


def test_json_is_json() -> None:
    for block in blocks():
        if block.language == "json":
            for line in block.text.splitlines():
                json.loads(line)
