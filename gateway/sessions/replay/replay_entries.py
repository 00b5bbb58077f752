"""Stores the entries of a replay buffer: audio and control messages, numbered as they came."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from dalston_realtime.protocol.commands import (
    MAX_TEXT,
    BadCommand,
    ConfigCommand,
    EndCommand,
    FlushCommand,
    KeepaliveCommand,
    encode_command,
)
from dalston_realtime.protocol.errors import InvalidParameter
from dalston_realtime.protocol.parameters import SessionConfig, apply_config
from gateway.sessions.change_set import ChangeSet
from runtime.worker_link import ClientPresence, decode_gateway_message

LastingCommand: TypeAlias = FlushCommand | ConfigCommand | EndCommand
"""A command that every worker of the session has to get."""


@dataclass(frozen=True, slots=True)
class AudioSegment:
    """Audio from sample frame `start` on."""

    start: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A text frame for the worker, in its place between the audio.

    Without a `command` it is for one worker only: a keepalive, or a text that the worker answers with an
    error.
    """

    text: str
    command: LastingCommand | None = None


Entry: TypeAlias = AudioSegment | ControlMessage


def read_control(text: str, config: SessionConfig) -> ControlMessage:
    """The entry for a client's text frame, which need not be a command of the protocol."""
    try:
        message = decode_gateway_message(text)
    except BadCommand:
        return ControlMessage(text[: MAX_TEXT + 1])
    if isinstance(message, ClientPresence):
        return ControlMessage(
            "{}"
        )  # Only the gateway speaks of presence; the worker refuses an empty object.
    if isinstance(message, KeepaliveCommand) or not _is_valid(message, config):
        return ControlMessage(text)
    return control_of(message)


def control_of(command: LastingCommand) -> ControlMessage:
    """The entry for a command."""
    return ControlMessage(encode_command(command), command)


def merge_changes(earlier: ConfigCommand, later: ConfigCommand) -> ConfigCommand:
    """One `config` that does what two in a row do."""
    said = {
        name: value for name, value in msgspec.structs.asdict(later).items() if value is not msgspec.UNSET
    }
    return msgspec.structs.replace(earlier, **said)


def _is_valid(command: LastingCommand, config: SessionConfig) -> bool:
    """Whether the worker will accept it; the worker tells the client what is wrong with another one."""
    if isinstance(command, ConfigCommand):
        try:
            apply_config(config, command)
        except InvalidParameter:
            return False
    return True


class ReplayEntries:
    """Entries by their numbers; those that last are fields of `changes` as well."""

    def __init__(self, changes: ChangeSet) -> None:
        self.next = 0  # Number of the next entry.
        self._changes = changes
        self._entries: dict[int, Entry] = {}
        self._flushes: dict[int, str] = {}  # Ids of the flushes that are not answered, by entry.
        self._unsent: set[int] = set()  # Control messages that no worker has got.

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> int:
        """Add an entry behind all others; its number."""
        number = self.next
        self.next = number + 1
        self._entries[number] = entry
        if isinstance(entry, AudioSegment):
            self._changes.set(f"a{number}", entry.data)
            return number
        self._unsent.add(number)
        if entry.command is not None:
            self._changes.set(f"c{number}", entry.text.encode())
        if isinstance(entry.command, FlushCommand):
            self._flushes[number] = entry.command.id
        return number

    def replace_audio(self, number: int, segment: AudioSegment) -> None:
        """Keep of an entry the end of its audio alone."""
        self._entries[number] = segment
        self._changes.set(f"a{number}", segment.data)

    def get(self, number: int) -> Entry | None:
        """An entry, None where it is not kept any more or not there yet."""
        return self._entries.get(number)

    def drop(self, number: int) -> None:
        """Keep an entry no longer."""
        self._entries.pop(number)
        self._flushes.pop(number, None)
        self._unsent.discard(number)
        self._changes.delete(f"a{number}")
        self._changes.delete(f"c{number}")

    def drop_all(self) -> None:
        """Keep none; the change set is left as it is."""
        self._entries.clear()
        self._flushes.clear()

    def mark_sent(self, number: int) -> None:
        """A worker has got this entry."""
        self._unsent.discard(number)
        entry = self._entries.get(number)
        if isinstance(entry, ControlMessage) and entry.command is None:
            self.drop(number)

    def flush_answered(self, flush_id: str) -> None:
        """A final has answered the first open flush of this id."""
        for number, asked in self._flushes.items():
            if asked == flush_id:
                self.drop(number)
                return

    def items(self) -> Iterator[tuple[int, Entry]]:
        """All entries with their numbers, in order."""
        return iter(self._entries.items())

    def first(self) -> int:
        """The number of the first entry that a new worker has to get."""
        return next(iter(self._entries), self.next)

    def first_audio(self) -> AudioSegment | None:
        """The oldest audio."""
        return next((entry for entry in self._entries.values() if isinstance(entry, AudioSegment)), None)

    @property
    def open_flushes(self) -> int:
        """How many flushes are not answered."""
        return len(self._flushes)

    @property
    def unsent_controls(self) -> int:
        """How many control messages no worker has got."""
        return len(self._unsent)
