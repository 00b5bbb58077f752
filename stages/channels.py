"""Wraps the sockets between the stages: an `Inbox` (PULL) binds, an `Outlet` (PUSH) connects.

Both are `ipc://` in the worker's run folder (mode 0700). What arrives and does not decode is counted
and dropped.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgpack
import zmq

from runtime.errors import StartupError
from stages.codec import BadMessage, decode, encode
from stages.messages import Message

AUDIO_HWM: Final = 512
"""Batches of messages in each end of a hop. With 100 ms chunks, each by itself, that is 51 s of audio of one
session, 13 s of four; the receiver's credit (2 s a session) keeps a hop far below it up to 25 sessions, and
above that a full queue blocks the writer, which reaches the clients' sockets."""

BATCH: Final = 32  # Messages that leave together, at most: 100 KB of audio, which fits a socket's buffer.

MAX_IPC_PATH: Final = 107  # Bytes of sun_path on Linux without its final zero.
LINGER_MS: Final = 500  # Milliseconds that a closing socket waits for its last messages to leave.

Packet: TypeAlias = tuple[Message, bytes]
"""A message and its payload (empty where it has none)."""


def address(folder: Path, stage: str, index: int) -> str:
    """Where process `index` of `stage` listens.

    Raises:
        StartupError: the path is too long for a socket.
    """
    path = folder / f"{stage}.{index + 1}"
    if len(str(path).encode()) > MAX_IPC_PATH:
        raise StartupError(
            f"the socket path {path} is longer than {MAX_IPC_PATH} bytes; set a shorter DALSTON_RUN_DIR"
        )
    return f"ipc://{path}"


def _pack(parts: Sequence[bytes]) -> bytes:
    """A batch as one message of ZeroMQ, each part of which costs as much as the whole."""
    return msgpack.packb(parts)  # type: ignore[no-any-return]


def _unpack(batch: bytes) -> list[bytes]:
    """The parts of a batch; none where it is not one."""
    try:
        parts = msgpack.unpackb(batch)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return []
    return parts if isinstance(parts, list) and all(type(part) is bytes for part in parts) else []


class Inbox:
    """What the stages before this one send here."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], where: str) -> None:
        self.socket = context.socket(zmq.PULL)
        self.socket.set_hwm(AUDIO_HWM)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(where)
        self.dropped = 0
        self._timeout_ms = -1

    @property
    def fileno(self) -> int:
        """The descriptor that becomes readable when an empty queue fills."""
        return int(self.socket.getsockopt(zmq.FD))

    def receive(self, timeout_ms: int, limit: int = AUDIO_HWM) -> list[Packet]:
        """Everything that waits, until there are `limit` messages; waits up to `timeout_ms` for the first."""
        packets: list[Packet] = []
        try:
            batch = self._receive_first(timeout_ms)
            while True:
                packets += self._decode(batch)
                if len(packets) >= limit:
                    break
                batch = self.socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            pass
        return packets

    def _receive_first(self, timeout_ms: int) -> bytes:
        """The next batch; the wait is libzmq's own, without a poll before it."""
        if not timeout_ms:
            return self.socket.recv(zmq.NOBLOCK)
        if timeout_ms != self._timeout_ms:
            self.socket.setsockopt(zmq.RCVTIMEO, timeout_ms)
            self._timeout_ms = timeout_ms
        return self.socket.recv()

    def _decode(self, batch: bytes) -> Iterator[Packet]:
        """The messages of a batch, in which each is a header and a payload; one alone may go without."""
        parts = _unpack(batch)
        if len(parts) == 1:
            parts = [*parts, b""]
        if not parts or len(parts) % 2:
            self.dropped += 1
            return
        for header, payload in zip(parts[::2], parts[1::2], strict=True):
            try:
                yield decode(header), payload
            except BadMessage:
                self.dropped += 1

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class Outlet:
    """The way to all processes of the next stage; `pick` says which one a message goes to."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        where: Iterable[str],
        pick: Callable[[Message], int],
    ) -> None:
        self._pick = pick
        self._sockets = [_push(context, address) for address in where]
        self._waiting: list[list[bytes]] = [[] for _ in self._sockets]

    def append(self, message: Message, payload: bytes = b"") -> None:
        """Have a message leave with the next `flush`, behind those that were appended before it."""
        self._waiting[self._pick(message)] += (encode(message), payload)

    def is_full(self, message: Message) -> bool:
        """Whether as much as may leave together waits for the process that `message` goes to."""
        return len(self._waiting[self._pick(message)]) >= 2 * BATCH

    def flush(self, *, block: bool = True) -> bool:
        """Hand on what waits, all for one process at once; a full queue blocks, or lets it wait on.

        Returns whether everything has left.
        """
        for socket, parts in zip(self._sockets, self._waiting, strict=True):
            if parts:
                try:
                    socket.send(_pack(parts), 0 if block else zmq.NOBLOCK)
                except zmq.Again:
                    continue
                parts.clear()
        return not any(self._waiting)

    def send(self, message: Message, payload: bytes = b"", flags: int = 0) -> None:
        """Hand a message on by itself, now. A full queue blocks, or raises `zmq.Again` with `zmq.NOBLOCK`."""
        self._sockets[self._pick(message)].send(_pack([encode(message), payload]), flags)

    def send_to_all(self, message: Message) -> None:
        """Hand a message to every process of the next stage, behind what waits."""
        self.flush()
        for socket in self._sockets:
            socket.send(_pack([encode(message)]))

    def close(self) -> None:
        """Close the sockets; what is queued still has `LINGER_MS` to leave."""
        for socket in self._sockets:
            socket.close()


def by_route(stage_position: int) -> Callable[[Message], int]:
    """Picks the process that the session's route names for the stage at this position."""

    def pick(message: Message) -> int:
        route = getattr(message, "route", ())
        return int(route[stage_position])

    return pick


def only(_message: Message) -> int:
    """Picks the one process that there is."""
    return 0


def _push(context: zmq.Context[zmq.Socket[bytes]], where: str) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.PUSH)
    socket.set_hwm(AUDIO_HWM)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.connect(where)
    return socket
