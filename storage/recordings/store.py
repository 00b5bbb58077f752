"""Reaches the folder or object store of recordings through fsspec.

It is the only module that imports fsspec; an S3 store needs the extra `s3`.
"""

import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, ParamSpec, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from runtime.errors import StartupError
from storage.recordings.errors import NoRecording, StorageUnavailable

BLOCK_BYTES: Final = 8 << 20  # Bytes of a part of an upload, and read ahead; S3 wants 5 MiB or more.

UNFINISHED: Final = ".new"  # End of the names of files that are being written.

P = ParamSpec("P")
T = TypeVar("T")


class RecordingStore:
    """Files below one root, by their paths from it. Every call may raise `StorageUnavailable`."""

    def __init__(self, url: str) -> None:
        """Use a folder, or what a URL such as `s3://bucket/prefix` names.

        Raises:
            StartupError: its driver is missing, or there is none.
        """
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise StartupError(f"can't use {url} for recordings: {error}") from None
        self.folder = Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def open(self, path: str) -> IO[bytes]:
        """A file, to read and to seek in.

        Raises:
            NoRecording: it is not there.
        """
        opened: IO[bytes] = _call(self._files.open, self._path(path), "rb", block_size=BLOCK_BYTES)
        return opened

    def read(self, path: str) -> bytes:
        """All of a file.

        Raises:
            NoRecording: it is not there.
        """
        data: bytes = _call(self._files.cat_file, self._path(path))
        return data

    def sizes(self, folder: str) -> dict[str, int]:
        """The files of a folder with their sizes in bytes; none where there is no folder."""
        self._files.invalidate_cache()
        try:
            found = _call(self._files.ls, self._path(folder), detail=True)
        except NoRecording:
            return {}
        return {_name(each["name"]): each["size"] or 0 for each in found if each["type"] == "file"}

    def folders(self, folder: str) -> list[str]:
        """The folders in a folder."""
        self._files.invalidate_cache()
        try:
            found = _call(self._files.ls, self._path(folder), detail=True)
        except NoRecording:
            return []
        return [_name(each["name"]) for each in found if each["type"] == "directory"]

    def make_folder(self, path: str) -> None:
        """Make a folder, where folders are made at all, with those above it."""
        if self.folder is not None:
            _call((self.folder / path).mkdir, mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def create(self, path: str) -> Iterator[IO[bytes]]:
        """A file to write, which is there once it is complete, and not at all where that fails."""
        target = self._path(path)
        # Another process may write the same file: each one has a file of its own until it is complete.
        written = target if self.folder is None else f"{target}.{secrets.token_hex(4)}{UNFINISHED}"
        self._make_folder_of(target)
        opened = _call(self._files.open, written, "wb", block_size=BLOCK_BYTES)
        try:
            yield opened
            _call(opened.close)
        except BaseException:
            self._discard(opened, written)
            raise
        if written != target:
            _call(self._files.mv, written, target)

    def write(self, path: str, data: bytes) -> None:
        """Write a small file, in place of one that is there."""
        self._make_folder_of(self._path(path))
        _call(self._files.pipe_file, self._path(path), data)

    def write_new(self, path: str, data: bytes) -> bool:
        """Write a small file in a folder that is there; false where it exists already.

        Raises:
            NoRecording: there is no such folder.
        """
        try:
            if self.folder is not None:
                _call(_write_exclusively, Path(self._path(path)), data)
            else:
                _call(self._files.pipe_file, self._path(path), data, mode="create")
        except StorageUnavailable as error:
            if _says_exists(error.__cause__):
                return False
            raise
        return True

    def upload(self, source: Path, path: str) -> None:
        """Copy a file from this machine."""
        _call(self._files.put_file, str(source), self._path(path))

    def delete(self, path: str, *, recursive: bool = False) -> bool:
        """Delete a file or a folder; whether it was there."""
        self._files.invalidate_cache()
        try:
            _call(self._files.rm, self._path(path), recursive=recursive)
        except NoRecording:
            return False
        return True

    def delete_files(self, folder: str, names: Collection[str]) -> None:
        """Delete files of a folder, and then the folder if nothing is left in it."""
        if self.folder is None:
            if names:
                _call(self._files.rm, [self._path(f"{folder}/{name}") for name in names])
            return
        local = Path(self._path(folder))
        for name in names:
            _call((local / name).unlink, missing_ok=True)
        with suppress(OSError):
            local.rmdir()

    def _make_folder_of(self, target: str) -> None:
        """Make the folder of a file, where the store has folders; nobody else on this machine may read it."""
        if self.folder is not None:
            folder = Path(target).parent
            for each in (folder.parent, folder):
                _call(each.mkdir, mode=0o700, parents=True, exist_ok=True)

    def _discard(self, opened: Any, path: str) -> None:
        """Give up a file that is half written: an upload would be complete once it is closed."""
        if self.folder is not None:
            with suppress(OSError):  # A disk that is full does not take what is buffered either.
                opened.close()
            Path(path).unlink(missing_ok=True)
            return
        with suppress(Exception):
            opened.discard()
        opened.closed = True

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}"


def _write_exclusively(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)


def _says_exists(error: BaseException | None) -> bool:
    """Whether the file is there: S3 answers 412, or 409 where somebody else writes it at this moment."""
    response = getattr(getattr(error, "__cause__", None), "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return isinstance(error, FileExistsError) or status in (409, 412)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _call(call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    try:
        return call(*arguments, **named)
    except FileNotFoundError as error:
        raise NoRecording(f"no such file: {error}") from None
    except Exception as error:
        raise StorageUnavailable(f"{type(error).__name__}: {error}") from error
