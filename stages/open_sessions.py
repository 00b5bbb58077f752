"""Knows which sessions a stage process has, and ends those whose way here was lost."""

from stages.messages import Close, Message, Open, ProcessStarted, Route
from stages.topology import STAGES


class OpenSessions:
    """The sessions that have been opened and not closed, with their routes."""

    def __init__(self) -> None:
        self._routes: dict[str, Route] = {}

    def follow(self, message: Message) -> None:
        """Note what a message opens or closes."""
        if isinstance(message, Open):
            self._routes[message.session] = message.route
        elif isinstance(message, Close):
            self._routes.pop(message.session, None)

    def lost_with(self, started: ProcessStarted, now: int) -> list[Close]:
        """The ends, at `now` (ns), of the sessions that came through the process before the one that started.

        Every session comes through the receiver. Nobody else ends them: who sent their audio is gone.
        """
        lost = [key for key, route in self._routes.items() if _is_on(route, started)]
        return [Close(key, self._routes.pop(key), "gone", 0, (now, now)) for key in lost]


def _is_on(route: Route, started: ProcessStarted) -> bool:
    return started.stage not in STAGES or route[STAGES.index(started.stage)] == started.index
