"""The client goes on behind a page of sessions that ended early."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dalston_realtime.client import history

PAGES: dict[str | None, dict[str, Any]] = {
    None: {"sessions": [], "next_cursor": "a"},
    "a": {"sessions": [{"session_id": "1"}], "next_cursor": "b"},
    "b": {"sessions": [{"session_id": "2"}, {"session_id": "3"}], "next_cursor": "c"},
    "c": {"sessions": []},
}


@pytest.mark.parametrize(
    ("limit", "expected"), [(None, ["1"]), (1, ["1"]), (2, ["1", "2"]), (9, ["1", "2", "3"])]
)
def test_a_page_that_ended_early_is_filled_from_the_next_ones(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, expected: list[str]
) -> None:
    async def call(_method: str, _url: str, path: str) -> dict[str, Any]:
        cursor = parse_qs(urlsplit(path).query).get("cursor", [None])[0]
        return PAGES[cursor] | {"sessions": list(PAGES[cursor]["sessions"])}

    monkeypatch.setattr(history, "call", call)
    found = asyncio.run(history.sessions("ws://nowhere", search="word", limit=limit))
    assert [session["session_id"] for session in found] == expected
