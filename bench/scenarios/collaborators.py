"""Holds what scenarios use and a test replaces: what is played, servers, and the files of a revision."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.load.load_plan import LoadPlan
from bench.request import BenchRequest
from bench.scenarios.revision import revision_files
from bench.servers.measured_server import StartServer, own_server


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What the scenarios use; the defaults are the real ones.

    `load_plan` says what sessions play, `start_server` runs a server of the benchmark's own, and
    `revision_files` provides a folder with the files of a git revision.
    """

    load_plan: Callable[[BenchRequest], LoadPlan] = BenchRequest.load_plan
    start_server: StartServer = own_server
    revision_files: Callable[[str], AbstractContextManager[Path]] = revision_files


REAL: Collaborators = Collaborators()


def collaborators_of(context_object: object) -> Collaborators:
    """The collaborators that a caller of the command hands in as the context's object, or the real ones."""
    return context_object if isinstance(context_object, Collaborators) else REAL
