"""Checks that an import loads no library that it does not use at once."""

import subprocess
import sys

import pytest

HEAVY = {"httpx", "numpy", "orjson", "pydantic", "pysubs2", "scipy", "soundfile", "soxr", "structlog"}
COMMAND_LINE = {"rich", "typer"}
NETWORK = {"websockets"}


def loaded(statement: str) -> set[str]:
    """The packages that a fresh process has loaded after a statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        ("import dalston_realtime", HEAVY | COMMAND_LINE | NETWORK | {"msgspec"}),
        ("from dalston_realtime import transcribe_stream", HEAVY | COMMAND_LINE),
        ("import dalston_realtime.protocol.events", HEAVY | COMMAND_LINE | NETWORK),
        ("import dalston_realtime.cli.app", HEAVY),
    ],
)
def test_an_import_loads_only_what_it_uses(statement: str, others: set[str]) -> None:
    assert not loaded(statement) & others


def test_every_public_name_is_there_and_no_other() -> None:
    import dalston_realtime
    from dalston_realtime import client

    assert all(getattr(dalston_realtime, name) is getattr(client, name) for name in client.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(dalston_realtime, "nothing")  # noqa: B009 - mypy knows that it is not there
