"""Checks that unit tests do not sleep, and that no test patches a constant of ours."""

import ast

from tests.support.repository import PACKAGES, PythonFile, python_files


def sleeps(file: PythonFile) -> bool:
    """Whether it waits for a time that is more than one turn of the loop."""
    calls = [*file.calls("asyncio.sleep"), *file.calls("time.sleep"), *file.calls("sleep")]
    return any(_number(arg) > 0 for call in calls for arg in call.args[:1])


def _number(node: ast.expr) -> float:
    is_number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    return float(ast.literal_eval(node)) if is_number else 0.0


def patches_a_constant(file: PythonFile) -> bool:
    """Whether it sets a name in capitals, or one that is only known when it runs, in a module of ours."""
    origins = file.imports()
    return any(_is_constant_of_ours(call, origins) for call in file.calls("monkeypatch.setattr"))


def _is_constant_of_ours(call: ast.Call, origins: dict[str, str]) -> bool:
    target, *rest = call.args
    if isinstance(target, ast.JoinedStr | ast.Constant):
        return _is_ours(_text(target)) and _is_constant(_text(target).rpartition(".")[2])
    root = ast.unparse(target).partition(".")[0]
    return _is_ours(origins.get(root, "")) and _is_constant(_text(rest[0]))


def _text(node: ast.expr) -> str:
    """A string as it is written, with capitals for what is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "FILLED_IN"


def _is_ours(path: str) -> bool:
    return path.partition(".")[0] in PACKAGES


def _is_constant(name: str) -> bool:
    return name.lstrip("_").isupper()


def test_no_unit_test_sleeps() -> None:
    files = [file for file in python_files() if file.is_in("tests/unit")]
    assert [file.path for file in files if sleeps(file)] == []


def test_no_test_patches_a_constant_of_ours() -> None:
    files = [file for file in python_files() if file.is_in("tests")]
    assert [file.path for file in files if patches_a_constant(file)] == []


def test_a_patched_constant_is_found() -> None:
    def found(line: str) -> bool:
        imports = "import websockets\nfrom engines import catalog\n"
        return patches_a_constant(PythonFile("x", ast.parse(f"{imports}monkeypatch.setattr({line})")))

    assert found('"stages.heartbeat.BEAT_S", 0.1')
    assert found('f"gateway.capacity.releases.{name}", 0.1')
    assert found('catalog, "ENGINES", {}')
    assert not found('f"bench.scenarios.{module}.own_server", fake')
    assert not found('websockets.http11, "MAX_LINE_LENGTH", 9')
    assert not found('catalog, "load", fake')


def test_a_sleep_is_found() -> None:
    assert sleeps(PythonFile("x", ast.parse("await asyncio.sleep(0.1)")))
    assert not sleeps(PythonFile("x", ast.parse("await asyncio.sleep(0)")))
