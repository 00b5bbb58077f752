"""Walks what installed distributions demand, as pip does: with markers, extras and versions."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


def project() -> dict[str, Any]:
    """The table `project` of our own pyproject.toml."""
    table: dict[str, Any] = tomllib.loads(PYPROJECT.read_text())["project"]
    return table


def declared(*extras: str) -> list[Requirement]:
    """What our own distribution demands with these extras, those of extras of its own resolved."""
    table = project()
    found = [Requirement(text) for text in table["dependencies"]]
    for extra in extras:
        for text in table["optional-dependencies"][extra]:
            requirement = Requirement(text)
            ours = requirement.name == table["name"]
            found += declared(*requirement.extras) if ours else [requirement]
    return found


def closure(requirements: Iterable[Requirement], **environment: str) -> dict[str, Distribution]:
    """All distributions that `requirements` bring on Linux, by canonical name.

    Fails where one is not installed, or not in a version that is demanded.
    """
    found: dict[str, Distribution] = {}
    visited: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if not applies(requirement, extra, environment):
            continue
        name = canonicalize_name(requirement.name)
        each = found.setdefault(name, distribution(name))
        assert requirement.specifier.contains(each.version, prereleases=True), (
            f"{requirement}: {each.version}"
        )
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in visited:
                visited.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in each.requires or ()]
    return found


def applies(requirement: Requirement, extra: str, environment: Mapping[str, str]) -> bool:
    """Whether a requirement of a distribution counts on Linux, where its `extra` was asked for."""
    if requirement.marker is None:
        return True
    return requirement.marker.evaluate({**LINUX, **environment, "extra": extra})


def top_level(each: Distribution) -> Iterator[Path]:
    """The files and folders of a distribution that lie in site-packages itself."""
    names = {file.parts[0] for file in each.files or () if file.parts[0] != ".."}
    return (Path(str(each.locate_file(name))) for name in sorted(names - {"__pycache__"}))


def modules(each: Distribution) -> set[str]:
    """The names under which a distribution is imported, namespaces with their parts."""
    files = [file for file in each.files or () if file.suffix in (".py", ".so")]
    return {re.sub(r"\..*", "", file.parts[0]) for file in files if ".." not in file.parts}
