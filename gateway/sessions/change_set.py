"""Keeps the fields of a session's checkpoint, and knows which of them Redis does not have yet."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ChangeSet:
    """The fields as they should be saved, and which of them changed since they were."""

    fields: dict[str, bytes] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _removed: set[str] = field(default_factory=set)

    def set(self, name: str, value: bytes) -> None:
        """Write a field."""
        self.fields[name] = value
        self._changed.add(name)
        self._removed.discard(name)

    def delete(self, name: str) -> None:
        """Remove a field, if it is there."""
        if self.fields.pop(name, None) is not None:
            self._changed.discard(name)
            self._removed.add(name)

    def clear(self) -> None:
        """Remove all fields here; what Redis has stays as it is."""
        self.fields.clear()
        self._changed.clear()
        self._removed.clear()

    @property
    def has_changes(self) -> bool:
        """Whether anything has to be saved."""
        return bool(self._changed or self._removed)

    def take_changes(self) -> tuple[dict[str, bytes], list[str]]:
        """What changed since the last call: the fields to write, and the names to remove."""
        changes = {name: self.fields[name] for name in self._changed}, list(self._removed)
        self._changed, self._removed = set(), set()
        return changes

    def mark_all_changed(self) -> None:
        """Have all fields saved again: Redis has none of them."""
        self._changed, self._removed = set(self.fields), set()
