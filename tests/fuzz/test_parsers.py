"""Gives what is nearly right to every parser, as `make fuzz` does with what atheris makes of it."""

from collections.abc import Callable

import pytest

from tests.fuzz.parsers import PARSERS, SEEDS, parse_any


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
def test_no_seed_is_a_fault(parser: Callable[[bytes], None]) -> None:
    for seed in (*SEEDS, b"", b"\xff" * 9, b"[" * 5_000):
        parser(seed)
        parser(seed[: len(seed) // 2])


def test_the_first_byte_names_the_parser() -> None:
    parse_any(b"")
    parse_any(bytes([len(PARSERS)]) + b'{"type":"flush"}')
