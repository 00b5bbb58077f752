"""Holds the deadlines that clients of the gateway have."""

from dataclasses import dataclass

from runtime.write_deadline import UNWRITABLE_S


@dataclass(frozen=True, slots=True)
class ClientDeadlines:
    """Seconds that a client has.

    - head: from the connection, or the first byte of a request, to the end of its head; before that the same
      for the handshake of TLS.
    - body: in which a body must go on by at least `MIN_BODY_BYTES`.
    - unwritable: in which a client that does not read must take something of what is written to it.
    """

    head: float = 10.0
    body: float = 10.0
    unwritable: float = UNWRITABLE_S
