"""Makes the WebSocket frames of a client once, so that each session only has to write their bytes.

The frames come from the public sans-I/O protocol of `websockets`: a client and a server protocol shake hands
in memory, and the bytes that the client would send are kept. Each frame carries its own mask, so the same
bytes may be sent on any connection that has no extension (no compression).
"""

from collections.abc import Iterable

from websockets.client import ClientProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri


def binary_frames(payloads: Iterable[bytes]) -> list[bytes]:
    """Each payload as a masked binary frame."""
    client = _connected_client()
    return [_frame_of(client, payload) for payload in payloads]


def text_frame(text: bytes) -> bytes:
    """The text, encoded as UTF-8, as a masked text frame."""
    client = _connected_client()
    client.send_text(text)
    return b"".join(client.data_to_send())


def _frame_of(client: ClientProtocol, payload: bytes) -> bytes:
    client.send_binary(payload)
    return b"".join(client.data_to_send())


def _connected_client() -> ClientProtocol:
    """A client protocol in the state OPEN, connected to nothing."""
    client, server = ClientProtocol(parse_uri("ws://localhost/")), ServerProtocol()
    client.send_request(client.connect())
    server.receive_data(b"".join(client.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    client.receive_data(b"".join(server.data_to_send()))
    client.events_received()
    return client
