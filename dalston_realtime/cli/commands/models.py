"""Defines `dalston-rt models`, which lists what the server's live workers have loaded."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dalston_realtime.cli import options as opt
from dalston_realtime.cli.exits import run_command
from dalston_realtime.client import rest
from dalston_realtime.client.errors import one_line
from dalston_realtime.client.indented_json import indented_json
from dalston_realtime.client.url import DEFAULT_URL

COLUMNS = ("Model", "Variant", "Engine", "Languages", "Features", "Workers")


def models(json: opt.Json = False, url: opt.Url = DEFAULT_URL) -> None:
    """Show the models that can be asked for, and what each can do."""
    found = run_command(rest.models(url))
    if json:
        print(indented_json(found))
    else:
        Console(highlight=False).print(models_table(found))


def models_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """The models as a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        table.add_column(name, overflow="fold")  # what somebody types into a command is never cut off
    for model in found:
        table.add_row(*(_text(cell) for cell in _cells(model)))
    if not found:
        table.add_row(Text("no live worker has a model", style="dim"))
    return table


def _cells(model: Mapping[str, Any]) -> tuple[Any, ...]:
    languages = model.get("languages")
    return (
        *(model.get(name) for name in ("name", "variant", "engine")),
        ", ".join(map(str, languages)) if isinstance(languages, list) else None,
        _abilities(model.get("features")),
        model.get("workers"),
    )


def _abilities(features: Any) -> str:
    """The names of the features that the model has."""
    if not isinstance(features, dict):
        return ""
    return ", ".join(str(name).replace("_", " ") for name, has in features.items() if has is True)


def _text(value: Any) -> Text:
    return Text("–", style="dim") if value in (None, "") else Text(one_line(value, 120))
