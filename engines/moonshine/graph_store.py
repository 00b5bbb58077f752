"""Keeps the graphs that were built of a model's files in the data folder, for the next start."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

from engines.moonshine.checkpoints import ModelFiles
from engines.moonshine.graphs.build import build_graphs, builder_version
from runtime.logs import get_logger

log = get_logger(__name__)

Graphs: TypeAlias = tuple[bytes, bytes]

NAMES: Final = ("encoder.onnx", "decoder.onnx")
SIZES: Final = "files.json"  # Written last: the size and the hash of each graph.


def graphs_of(files: ModelFiles, data_dir: Path | None) -> Graphs:
    """The encoder and the decoder, from `data_dir`/models or built now and written there.

    Where the folder can't be written to, or the disk is full, they are built in memory at each start.

    Raises:
        UnknownGraph: the files are of another model, or damaged.
    """
    if data_dir is None:
        return build_graphs(files.encoder, files.decoder)
    folder = data_dir / "models" / sha256(f"{files.hash} {builder_version()}".encode()).hexdigest()
    found = _read(folder)
    if found is not None:
        return found
    built = build_graphs(files.encoder, files.decoder)
    try:
        _write(folder, built)
        log.info("built the model's graphs", model=files.name, folder=str(folder))
    except OSError as error:
        log.warning(
            "the model's graphs stay in memory and are built again at the next start",
            model=files.name, folder=str(folder), reason=error.strerror,
        )  # fmt: skip
    return built


def _read(folder: Path) -> Graphs | None:
    """The graphs, if both are there and as they were written."""
    try:
        described = json.loads((folder / SIZES).read_bytes())
        encoder, decoder = (((folder / name).read_bytes()) for name in NAMES)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning(
            "the model's graphs can't be read and are built again", folder=str(folder), reason=str(error)
        )
        return None
    if described != _description((encoder, decoder)):
        log.warning("the model's graphs are damaged and are built again", folder=str(folder))
        return None
    return encoder, decoder


def _write(folder: Path, graphs: Graphs) -> None:
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


def _description(graphs: Graphs) -> dict[str, list[int | str]]:
    described = zip(NAMES, graphs, strict=True)
    return {name: [len(data), sha256(data).hexdigest()] for name, data in described}
