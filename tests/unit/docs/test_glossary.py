"""docs/glossary.md is sorted, and speaks of terms and classes that there are."""

import re
from itertools import pairwise
from typing import Final

import pytest

from tests.support.documents import ROOT, rows

DOCUMENT: Final = ROOT / "docs" / "glossary.md"
TERM: Final = re.compile(r"\*([^*]+)\*")


@pytest.mark.parametrize("heading", ["Terms", "Classes", "Verbs"])
def test_a_table_is_sorted_and_names_nothing_twice(heading: str) -> None:
    names = [row[0].lower() for row in rows(DOCUMENT, heading)]
    assert [pair for pair in pairwise(names) if pair[0] >= pair[1]] == []


def test_a_word_in_italics_has_an_entry() -> None:
    table = rows(DOCUMENT, "Terms")
    terms = {row[0].lower() for row in table}
    used = {
        word.lower() for _, meaning in [*table, *rows(DOCUMENT, "Verbs")] for word in TERM.findall(meaning)
    }
    assert [
        word for word in used if not {word, word.removesuffix("s"), word.removesuffix("es")} & terms
    ] == []


def test_the_classes_are_where_it_says() -> None:
    for _, name, file in rows(DOCUMENT, "Classes"):
        path = file.partition("](../")[2].rstrip(")")
        assert re.search(rf"^class {name.strip('`')}\b", (ROOT / path).read_text(), re.M), (name, path)
