"""Each target of the Makefile that is named there is one, and each is defined once."""

import re
from collections import Counter

from tests.support.documents import ROOT


def test_every_target_is_defined_once() -> None:
    text = (ROOT / "Makefile").read_text()
    (named,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert Counter(re.findall(r"^([a-z-]+):", text, re.MULTILINE)) == Counter(named.split())
