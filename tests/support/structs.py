"""Names what a class of the protocol has in its JSON."""

from typing import Any


def type_of(struct: Any) -> str:
    """What stands in the `type` of a class of the protocol."""
    return str(struct.__struct_config__.tag)


def fields_of(struct: Any) -> set[str]:
    """The names of its fields."""
    return set(struct.__struct_fields__)
