"""Checks that a missing extra is named in one line."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError

import pytest

from runtime import extras
from runtime.errors import StartupError


def installed(monkeypatch: pytest.MonkeyPatch, demands: Sequence[str] | None, *there: str) -> None:
    """A package that demands this, on a machine that has `there`."""

    def distribution(name: str) -> object:
        if name not in there:
            raise PackageNotFoundError(name)
        return object()

    monkeypatch.setattr(extras, "requires", lambda _: demands)
    monkeypatch.setattr(extras, "distribution", distribution)


DEMANDS = [
    "httpx>=0.28",
    'pyzmq>=27.0; extra == "server"',
    "redis>=6.4 ; extra == 'server'",
    'uvloop>=0.21; sys_platform == "linux" and extra == "server"',
    'psutil>=7.0; extra == "bench"',
]


def test_what_is_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, DEMANDS, "pyzmq", "redis", "uvloop")
    extras.require_extra("server", "serve")


def test_what_is_missing_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, DEMANDS, "pyzmq", "uvloop")
    with pytest.raises(StartupError, match=r"^serve needs redis: pip install 'dalston-realtime\[server\]'$"):
        extras.require_extra("server", "serve")


def test_of_many_the_first_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, [f'p{i}; extra == "server"' for i in range(9)])
    with pytest.raises(StartupError, match=r"needs p0, p1, p2, \.\.\.: pip install"):
        extras.require_extra("server", "serve")


@pytest.mark.parametrize("demands", [None, [], ["httpx"]])
def test_without_demands_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, demands: Sequence[str] | None
) -> None:
    installed(monkeypatch, demands)
    extras.require_extra("server", "serve")


def test_a_tree_that_is_not_installed_demands_nothing() -> None:
    extras.require_extra("server", "serve", package="there-is-no-such-package")
