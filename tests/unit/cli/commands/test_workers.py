"""Checks the table of workers."""

from dalston_realtime.cli.commands.workers import workers_table
from tests.support.rendering import rendered, screen


def test_workers_are_a_table_in_the_order_of_their_names() -> None:
    table = workers_table(
        [
            {
                "worker_id": "b",
                "status": "busy",
                "active_sessions": 4,
                "capacity": 4,
                "models": ["parakeet", "whisper"],
                "lag": 0.25,
                "gpu_memory_used": "4GB",
                "gpu_memory_total": "24GB",
                "endpoint": "ws://b:9000",
            },
            {"worker_id": "a", "status": "offline", "models": None},
        ]
    )

    _, _, first, second, third = rendered(table)
    assert first.split() == ["a", "offline", "–", "/", "–", "–", "–", "–"]
    assert second.split() == [
        *("b", "busy", "4", "/", "4", "parakeet", "0.2", "s", "4GB", "of", "24GB", "ws://b:9000")
    ]
    assert third.split() == ["whisper"]


def test_a_worker_that_cannot_be_used_is_called_so_with_the_reason() -> None:
    why = "worker a has another DALSTON_INTERNAL_SECRET than this gateway"
    lines = rendered(workers_table([{"worker_id": "a", "status": "ready", "problem": why}]))
    assert lines[2].split()[:2] == ["a", "unreachable"]
    assert why in lines[-1]


def test_that_there_are_none_is_said() -> None:
    assert "no worker is registered" in rendered(workers_table([]))[-1]


def test_a_name_that_has_to_be_typed_is_whole_on_a_narrow_terminal() -> None:
    console, out = screen(60)
    name = "transcription-worker-7f9c-rack-12-9000"
    console.print(workers_table([{"worker_id": name, "status": "ready", "models": ["whisper-tiny.en"]}]))

    _, _, rows = out.getvalue().partition("─ \n")
    column = "".join(line[1:].split(" ")[0] for line in rows.splitlines())
    assert column == name
    assert "…" not in out.getvalue()
