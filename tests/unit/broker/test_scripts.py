"""Tests that the names of the scripts are those of the files in broker/lua."""

from importlib import resources
from typing import get_args

from broker.store.scripts import SHARED, ScriptName


def test_each_script_file_is_named_once() -> None:
    files = {file.name for file in (resources.files("broker") / "lua").iterdir()}
    names = get_args(ScriptName)
    assert sorted(f"{name}.lua" for name in names) == sorted(files - {f"{name}.lua" for name in SHARED})
    assert list(names) == sorted(set(names))
