"""Says by which names and values a session is found: those of its metadata, and its speakers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

SPEAKER: Final = "speaker"
METADATA: Final = "metadata."  # Begins the names of those of the client.


def metadata_tags(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A tag for each entry of the client's that is one value."""
    for name, value in metadata.items():
        if not isinstance(value, dict | list):
            yield METADATA + name, as_text(value)


def speaker_tags(labels: Iterable[str], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Tags for the labels of speakers, and for the names that they were given."""
    for label in sorted(labels):
        yield SPEAKER, label
    for name in sorted(set(names.values())):
        yield SPEAKER, name


def as_text(value: Any) -> str:
    """A value as a query string has it: text as it is, `true`, `12`."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
