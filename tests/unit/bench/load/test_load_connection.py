"""Checks which chunk carried the last audio of a partial."""

import pytest

from bench.load.load_connection import chunk_with


@pytest.mark.parametrize(("end", "chunk"), [(0.05, 0), (0.1, 0), (0.128, 1), (0.2, 1), (1.024, 10)])
def test_the_chunk_that_brought_the_last_audio(end: float, chunk: int) -> None:
    assert chunk_with(end) == chunk
