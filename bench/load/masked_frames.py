"""Makes the WebSocket frames of a client once, so that each session only has to write their bytes.

The frames come from the public sans-I/O protocol of `websockets`. Each frame carries its own mask, so the
same bytes may be sent again on any connection that has no extension (no compression).
"""

from collections.abc import Iterable

from websockets.protocol import CLIENT, Protocol


def binary_frames(payloads: Iterable[bytes]) -> list[bytes]:
    """Each payload as a masked binary frame."""
    client, frames = Protocol(CLIENT), []
    for payload in payloads:
        client.send_binary(payload)
        frames.append(b"".join(client.data_to_send()))
    return frames


def text_frame(text: bytes) -> bytes:
    """The text, encoded as UTF-8, as a masked text frame."""
    client = Protocol(CLIENT)
    client.send_text(text)
    return b"".join(client.data_to_send())
