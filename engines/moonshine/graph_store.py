"""Keeps the graphs that were built of a model's files in the data folder, for the next start."""

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from engines.moonshine.checkpoints import ModelFiles
from engines.moonshine.graphs.build import build_graphs, builder_version
from runtime.logs import get_logger

log = get_logger(__name__)

Graphs: TypeAlias = tuple[bytes, bytes] | tuple[Path, Path]

ENCODER, DECODER = NAMES = ("encoder.onnx", "decoder.onnx")
SIZES: Final = "files.json"  # Written last: the size and the hash of each graph.


def graphs_of(files: ModelFiles, data_dir: Path | None) -> Graphs:
    """The files of the encoder and the decoder in `data_dir`/models, built now if they are not there.

    Where the folder can't be written to, or the disk is full: their contents, built at each start.

    Raises:
        UnknownGraph: the files are of another model, or damaged.
    """
    if data_dir is None:
        return build_graphs(files.encoder, files.decoder)
    folder = data_dir / "models" / sha256(f"{files.hash} {builder_version()}".encode()).hexdigest()
    places = folder / ENCODER, folder / DECODER
    if _are_whole(folder):
        return places
    built = build_graphs(files.encoder, files.decoder)
    try:
        _write(folder, built)
    except OSError as error:
        log.warning(
            "the model's graphs stay in memory and are built again at the next start",
            model=files.name, folder=str(folder), reason=error.strerror,
        )  # fmt: skip
        return built
    log.info("built the model's graphs", model=files.name, folder=str(folder))
    return places


def _are_whole(folder: Path) -> bool:
    """Whether both graphs are there and as they were written."""
    try:
        described = json.loads((folder / SIZES).read_bytes())
        found = _description([(folder / name).read_bytes() for name in NAMES])
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        log.warning(
            "the model's graphs can't be read and are built again", folder=str(folder), reason=str(error)
        )
        return False
    if described != found:
        log.warning("the model's graphs are damaged and are built again", folder=str(folder))
    return bool(described == found)


def _write(folder: Path, graphs: Sequence[bytes]) -> None:
    """Write each file beside its place, then rename it.

    Two processes at once write the same bytes, so it does not matter whose file stays.

    Raises:
        OSError: the folder can't be written to, or the disk is full; no part of a file stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in zip(NAMES, graphs, strict=True):
        _replace(folder / name, data)
    _replace(folder / SIZES, json.dumps(_description(graphs)).encode())


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _description(graphs: Sequence[bytes]) -> dict[str, list[int | str]]:
    described = zip(NAMES, graphs, strict=True)
    return {name: [len(data), sha256(data).hexdigest()] for name, data in described}
