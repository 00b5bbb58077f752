"""Checks what is said where a library of the benchmark is missing."""

import pytest

from bench.extras import check_libraries
from dalston_realtime.client.errors import UsageError


def test_a_missing_library_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"needs jiwer: pip install 'dalston-realtime\[bench\]'"):
        check_libraries(find=lambda name: None if name == "jiwer" else object())
