"""Reads the documents for their tests: code blocks, links, anchors and tables."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_FENCE: Final = re.compile(r"^( *)(```+|~~~+)(\S*)\s*$")
_DIRECTIVE: Final = re.compile(r"<!-- (not run|runs until): (.+?) -->")
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_IMAGE: Final = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$")
_CODE: Final = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block. `line` is that of its first line of code.

    `not_run` is the reason in the comment `<!-- not run: ... -->` above the block. `until` is the output at
    which the command is interrupted, from the comment `<!-- runs until: ... -->`.
    """

    path: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    until: str = ""

    @property
    def name(self) -> str:
        """Where it stands, such as `README.md:12`."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """The documents for readers."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if path.is_file()]


def code_blocks(path: Path) -> list[CodeBlock]:
    """The fenced blocks of a document, in order."""
    blocks: list[CodeBlock] = []
    lines = path.read_text().splitlines()
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        indent, fence, language = opening.groups()
        end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == fence)
        text = "\n".join(line.removeprefix(indent) for line in lines[at + 1 : end]) + "\n"
        said = _DIRECTIVE.search(lines[at - 1]) if at else None
        kind, value = said.groups() if said else ("", "")
        not_run, until = (value if kind == name else "" for name in ("not run", "runs until"))
        blocks.append(CodeBlock(path, at + 2, language, text, not_run, until))
        at = end + 1
    return blocks


def prose(path: Path) -> list[str]:
    """The lines of a document outside of fenced blocks."""
    kept: list[str] = []
    fence = ""
    for line in path.read_text().splitlines():
        match = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match:
            fence = match[2]
        else:
            kept.append(line)
    return kept


def links(path: Path) -> list[str]:
    """The targets of all links and images."""
    text = "\n".join(_CODE.sub("", line) for line in prose(path))
    return _LINK.findall(text) + _IMAGE.findall(text)


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for line in prose(path):
        if heading := _HEADING.match(line):
            anchor = base = _anchor(heading[1])
            number = 0
            while anchor in found:
                number += 1
                anchor = f"{base}-{number}"
            found.add(anchor)
    return found


def rows(path: Path, heading: str) -> list[list[str]]:
    """The cells of each row of the tables under a heading, without the tables' heads."""
    lines = iter(prose(path))
    for line in lines:
        if (match := _HEADING.match(line)) and match[1] == heading:
            break
    found: list[list[str]] = []
    head = True
    for line in lines:
        if _HEADING.match(line):
            break
        if not line.startswith("|"):
            head = True
        elif set(line) <= set("|-: "):
            head = False
        elif not head:
            found.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return found


def _anchor(heading: str) -> str:
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
