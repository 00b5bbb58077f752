"""Joins the separate channels of one client's session where the client sees one session."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge

from stages.assembler.session import AssemblerSession
from stages.assembler.transcript import FinalText


@dataclass(slots=True)
class ChannelGroup:
    """The channels of one session; one of a session whose channels are mixed is a group as well.

    A flush goes to all channels, and is answered once: by the channel that is the last to answer. By then all
    that was said before is final.
    """

    count: int
    channels: list[AssemblerSession] = field(default_factory=list)
    _answered: dict[str, int] = field(
        default_factory=dict
    )  # Flushes that a channel has answered, by its key.
    _ended: int = 0  # Channels that have said all.

    def is_last_answer(self, session: AssemblerSession) -> bool:
        """Note that a channel answers its next flush; whether all others have answered that one."""
        key = session.opened.session
        number = self._answered[key] = self._answered.get(key, 0) + 1
        return all(self._answered.get(each.opened.session, 0) >= number for each in self.channels)

    def is_last_end(self) -> bool:
        """Note that a channel has said all; whether the others have."""
        self._ended += 1
        return self._ended == self.count

    @property
    def speech(self) -> int:
        """Samples of speech, of all channels."""
        return sum(each.speech for each in self.channels)

    def finals(self) -> Iterator[tuple[int | None, FinalText]]:
        """The finals of all channels with their channel, in the order in which they began."""
        each = [[(session.opened.channel, final) for final in session.finals] for session in self.channels]
        return merge(*each, key=lambda said: said[1].start)
