"""Checks the table of models."""

from dalston_realtime.cli.commands.models import models_table
from tests.support.rendering import rendered, screen


def test_models_are_a_table() -> None:
    table = models_table(
        [
            {
                "name": "tiny",
                "variant": "fast",
                "engine": "moonshine",
                "languages": ["en", "de"],
                "features": {"interim_results": True, "vocabulary": False},
                "workers": 2,
            },
            {"name": "bare"},
        ]
    )

    _, _, first, second = rendered(table)
    assert first.split() == ["tiny", "fast", "moonshine", "en,", "de", "interim", "results", "2"]
    assert second.split() == ["bare", "–", "–", "–", "–", "–"]


def test_that_there_are_none_is_said() -> None:
    assert "no live worker has a model" in rendered(models_table([]))[-1]


def test_a_name_that_has_to_be_typed_is_whole_on_a_narrow_terminal() -> None:
    console, out = screen(50)
    name = "nvidia/parakeet-tdt-0.6b-v2-with-a-long-name"
    console.print(models_table([{"name": name, "variant": "accurate", "engine": "nemo", "workers": 1}]))

    _, _, rows = out.getvalue().partition("─ \n")
    column = "".join(line[1:].split(" ")[0] for line in rows.splitlines())
    assert column == name
