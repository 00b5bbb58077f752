"""A result in, a page of its tables and pictures out: one HTML file that needs no other."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from bench.pictures import pictures
from bench.table import ROWS, shown
from client.errors import OutputError, UsageError

PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #2d3339; background: #fff; max-width: 1080px;
       margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 .2rem; }
h2 { font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; }
p, .quiet { color: #68707a; margin: 0 0 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin-bottom: 2.5rem; }
th, td { padding: .22rem 1.2rem .22rem 0; text-align: right; font-weight: 400; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1px solid #c9cfd6; font-weight: 600; }
tbody tr:first-child td { padding-top: .6rem; }
td.sub { padding-left: 1.2rem; color: #68707a; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 2rem; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.5rem; margin: 2.5rem 0;
     font-size: .87rem; }
dt { color: #68707a; }
dd { margin: 0; overflow-wrap: anywhere; }
</style>
<h1>$title</h1>
<p>$about</p>
$table
<div class="pictures">
$pictures
</div>
<dl>
$facts
</dl>
</html>
""")


def write(result: Mapping[str, Any], path: Path) -> None:
    """The page of a result that was read from its file.

    Raises:
        UsageError: the result is of another kind.
        OutputError: the page can't be written.
    """
    levels = result["results"]
    if not levels or any("scores" not in level for level in levels):
        raise UsageError("there is a report only of sessions that were played")
    conditions = result["conditions"]
    page = PAGE.substitute(
        title="dalston-realtime: sessions at once",
        about=escape(_about(conditions)),
        table=_table([level["figures"] for level in levels]),
        pictures="\n".join(_figure(title, svg) for title, svg in pictures(levels)),
        facts="\n".join(_facts(result)),
    )
    try:
        path.write_text(page)
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror})") from None


def _about(conditions: Mapping[str, Any]) -> str:
    machine = f"{conditions['cores']} cores of {conditions['cpu']}, {conditions['memory_gb']} GB"
    when = conditions["when"].replace("T", " ").removesuffix("+00:00")
    return f"{machine}, {when} UTC, revision {conditions['revision']}"


def _table(columns: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>N = {column['sessions']}</th>" for column in columns)
    groups = "\n".join(f"<tbody>{_rows(group, columns)}</tbody>" for group in ROWS)
    return f"<table><thead><tr><th>Figure</th>{head}</tr></thead>\n{groups}</table>"


def _rows(group: Iterable[tuple[str, str, int]], columns: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for label, name, decimals in group:
        if any(column[name] is not None for column in columns):
            kind = ' class="sub"' if label.startswith("p9") else ""
            cells = "".join(f"<td>{shown(column, name, decimals)}</td>" for column in columns)
            rows.append(f"<tr><td{kind}>{escape(label)}</td>{cells}</tr>")
    return "".join(rows)


def _figure(title: str, svg: str) -> str:
    label = f'<svg role="img" aria-label="{escape(title)}"'
    return f"<figure><h2>{escape(title)}</h2>{svg.replace('<svg', label, 1)}</figure>"


def _facts(result: Mapping[str, Any]) -> Iterable[str]:
    """All that it takes to repeat the measurement."""
    conditions, settings = result["conditions"], result["settings"]
    facts = {**settings, **{k: v for k, v in conditions.items() if k != "versions"}, **conditions["versions"]}
    for name, value in facts.items():
        if value not in (None, {}, ""):
            yield f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(_plain(value))}</dd>"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
