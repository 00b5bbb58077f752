"""What must be known of a session if its gateway dies: fields in, what is not saved yet out."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ChangeSet:
    """The fields as they should be kept elsewhere, and which of them are not yet."""

    fields: dict[str, bytes] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)

    def set(self, name: str, value: bytes) -> None:
        """Keep a field."""
        self.fields[name] = value
        self._changed.add(name)
        self._gone.discard(name)

    def delete(self, name: str) -> None:
        """Keep it no longer."""
        if self.fields.pop(name, None) is not None:
            self._changed.discard(name)
            self._gone.add(name)

    def clear(self) -> None:
        """Keep nothing; what is kept elsewhere is not changed by that."""
        self.fields.clear()
        self._changed.clear()
        self._gone.clear()

    @property
    def dirty(self) -> bool:
        """Whether anything changed."""
        return bool(self._changed or self._gone)

    def take(self) -> tuple[dict[str, bytes], list[str]]:
        """What changed since the last call: the fields to write, and the names to remove."""
        changes = {name: self.fields[name] for name in self._changed}, list(self._gone)
        self._changed, self._gone = set(), set()
        return changes

    def forget_saved(self) -> None:
        """Nothing of it is kept elsewhere: all of it is to be written again."""
        self._changed, self._gone = set(self.fields), set()
