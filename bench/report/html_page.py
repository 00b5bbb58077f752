"""Builds one self-contained HTML file of sentences, tables and charts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from string import Template
from typing import Final, TypeAlias

Chart: TypeAlias = tuple[str, str]
"""A title and an SVG."""

PAGE: Final = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>$title</title>
<style>
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: #2d3339; background: #fff; max-width: 1240px;
       margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 .2rem; }
h2 { font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; }
p { margin: 0 0 .4rem; max-width: 46rem; overflow-wrap: anywhere; }
.quiet { color: #5f6771; margin-bottom: 1.5rem; }
.tables { display: flex; flex-wrap: wrap; gap: 2rem 2.5rem; margin: 2rem 0 2.5rem; }
.tables > div { max-width: 100%; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem 0 .22rem 1.1rem; text-align: right; font-weight: 400; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 1px solid #c9cfd6; font-weight: 600; }
tbody tr:first-child td { padding-top: .6rem; }
td.sub:first-child { padding-left: 1.2rem; color: #5f6771; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr));
            gap: 2rem; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .1rem 1.5rem;
     font-size: .87rem; }
dt { color: #5f6771; }
dd { margin: 0; overflow-wrap: anywhere; }
.facts { margin-top: 2.5rem; }
@media (max-width: 560px) {
  body { font-size: 14px; margin: 1.5rem auto; padding: 0 1rem; }
  th, td { padding-left: .7rem; }
  thead th, td:first-child { white-space: normal; vertical-align: bottom; }
  td:first-child { min-width: 8rem; }
}
</style>
<h1>$title</h1>
<p class="quiet">$about</p>
$notes
<div class="tables">
$tables
</div>
<div class="charts">
$charts
</div>
<div class="facts"><h2>To measure the same again</h2>
<dl>
$facts
</dl></div>
</html>
""")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its head, and groups of rows; a label that begins with a space is indented."""

    title: str
    head: Sequence[str]
    groups: Sequence[Sequence[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of the page from top to bottom; `facts` are names with values."""

    title: str
    about: str
    notes: Sequence[str]
    grids: Sequence[Grid]
    charts: Sequence[Chart]
    facts: Mapping[str, str]

    def html(self) -> str:
        """The content of the file."""
        return PAGE.substitute(
            title=escape(self.title),
            about=escape(self.about),
            notes="\n".join(f"<p>{escape(note)}</p>" for note in self.notes),
            tables="\n".join(map(_grid, self.grids)),
            charts="\n".join(_figure(title, svg) for title, svg in self.charts),
            facts="\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in self.facts.items()),
        )


def _grid(grid: Grid) -> str:
    title = f"<h2>{escape(grid.title)}</h2>" if grid.title else ""
    head = "".join(f"<th>{escape(name)}</th>" for name in grid.head)
    groups = "\n".join(f"<tbody>{_rows(group)}</tbody>" for group in grid.groups if group)
    return f"<div>{title}<table><thead><tr>{head}</tr></thead>\n{groups}</table></div>"


def _rows(group: Iterable[Sequence[str]]) -> str:
    return "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in group)


def _cell(text: str) -> str:
    kind = ' class="sub"' if text.startswith(" ") else ""
    return f"<td{kind}>{escape(text.strip())}</td>"


def _figure(title: str, svg: str) -> str:
    label = f'<svg role="img" aria-label="{escape(title)}"'
    return f"<figure><h2>{escape(title)}</h2>{svg.replace('<svg', label, 1)}</figure>"
