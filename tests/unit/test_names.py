"""Checks that a class name stands for one class in the whole repository."""

import ast
from collections import defaultdict

from tests.support.repository import python_files


def test_a_class_name_occurs_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for file in python_files():
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(file.path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}
