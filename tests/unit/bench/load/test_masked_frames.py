"""Checks that the frames which are made once are what a WebSocket server understands, on any connection."""

from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from bench.load.load_client import END, chunk_frames
from bench.load.masked_frames import binary_frames, text_frame
from dalston_realtime.client.audio.chunks import CHUNK_BYTES


def received(*frames: bytes) -> list[tuple[Opcode, bytes]]:
    """What a server on an open connection reads from these bytes."""
    server = Protocol(SERVER)
    server.receive_data(b"".join(frames))
    events = server.events_received()
    assert all(isinstance(event, Frame) for event in events)
    return [(event.opcode, bytes(event.data)) for event in events if isinstance(event, Frame)]


def test_frames_carry_their_payloads() -> None:
    (frame,) = binary_frames([b"audio"])
    assert received(frame, text_frame(b"hello")) == [(Opcode.BINARY, b"audio"), (Opcode.TEXT, b"hello")]
    assert received(END) == [(Opcode.TEXT, b'{"type":"end"}')]


def test_a_frame_may_be_sent_again_and_on_other_connections() -> None:
    (frame,) = binary_frames([b"audio"])
    assert received(frame, frame) == received(frame) * 2


def test_only_complete_chunks_are_frames() -> None:
    frames = chunk_frames(bytes(2 * CHUNK_BYTES + 2))
    assert received(*frames) == [(Opcode.BINARY, bytes(CHUNK_BYTES))] * 2
