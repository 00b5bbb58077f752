"""Makes a table of figures for the terminal: names on the left, numbers on the right, and what they mean."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table


def plain_table(columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str) -> Table:
    """A table whose first column has the names."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, caption=caption, caption_justify="left")
    for number, name in enumerate(columns):
        found.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        found.add_row(*row)
    return found
