"""The audit log is bounded where strangers write into it, and follows no link."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.auth.audit_log import FILE, MAX_FAILURES, WINDOW_S, AuditLog


def test_of_very_many_failed_logins_the_rest_is_counted(tmp_path: Path) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC)]
    audit = AuditLog(tmp_path, lambda: moments[-1])

    async def flood() -> None:
        for _ in range(MAX_FAILURES + 7):
            await audit.append_failure(address="192.0.2.1", why="x" * 5000)
        moments.append(moments[-1] + timedelta(seconds=WINDOW_S))
        await audit.append_failure(address="192.0.2.1")

    asyncio.run(flood())
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert len(lines) == MAX_FAILURES + 2
    assert lines[-2]["count"] == 7
    assert max(map(len, (tmp_path / FILE).read_text().splitlines())) < 500


def test_a_link_in_its_place_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / FILE).symlink_to(tmp_path / "victim")
    AuditLog(tmp_path).write("create_key")
    assert (tmp_path / "victim").read_text() == "mine"
