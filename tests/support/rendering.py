"""Renders what the command shows, for the tests to read as a person would."""

import io

from rich.console import Console


def screen(width: int = 80) -> tuple[Console, io.StringIO]:
    """A terminal of this width, and what is written to it."""
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=width, color_system=None), out


def rendered(renderable: object, width: int = 100) -> list[str]:
    """The lines of a renderable that are not empty."""
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(renderable)
    return [text.rstrip() for text in console.export_text().splitlines() if text.strip()]
