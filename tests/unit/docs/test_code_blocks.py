"""Every code block of the documents says what it is, and few of them are not run."""

from tests.support.documents import CodeBlock, code_blocks, documents

RUN = ("sh", "python", "html")
"""Languages of the blocks that tests/system/test_examples.py runs."""

CHECKED = ("ini", "yaml", "json", "dotenv")
"""Languages of the blocks that the tests beside this one read."""

SHOWN = ("text",)
"""Pictures, and outputs."""

MOST_NOT_RUN = 10
"""Blocks that may be marked as not run, in all documents together."""


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
