"""Starts whole servers for tests, which find the graphs of the models that an earlier one has built."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from runtime.local_server import ROOT, LocalServer, formation

GRAPHS: Final = ROOT / "data" / "models"  # Those of a server that is started in the checkout.


def data_folder(folder: Path) -> str:
    """A data folder in `folder`, empty but for the graphs of the models: these take seconds and 130 MB."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    GRAPHS.mkdir(parents=True, exist_ok=True)
    (data / "models").symlink_to(GRAPHS)
    return str(data)


@contextmanager
def whole_server(concurrency: str = "", **settings: str) -> Iterator[LocalServer]:
    """A server that is ready for sessions, stopped at the end."""
    with (
        TemporaryDirectory(prefix="dalston-") as name,
        formation(concurrency, ROOT, data_dir=data_folder(Path(name)), **settings) as server,
    ):
        yield server
