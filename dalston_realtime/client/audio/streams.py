"""Reads pipes, named pipes and standard input as chunks of 16 kHz mono s16le, as they come."""

import asyncio
import io
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from dalston_realtime.client.audio.byte_stream import ByteStream, Readable
from dalston_realtime.client.audio.chunks import CHUNK_BYTES
from dalston_realtime.client.audio.media import is_media
from dalston_realtime.client.audio.wav_header import is_wav
from dalston_realtime.client.errors import AudioError

MAX_WAITING: Final = 8  # Chunks that are read ahead of the session.
PIECE_BYTES: Final = 1 << 14  # Bytes of a container in one frame: a second at 128 kbit/s.
COPY_BYTES: Final = 1 << 16  # Bytes that are copied at once.
HEAD_BYTES: Final = 12  # Bytes at the start that tell a format from raw samples.
_STARTS: Final = (b"fLaC", b"OggS", b"ID3", b"FORM", b"caff")  # Of what libsndfile reads from files only.
_AMBIGUOUS: Final = (b"\xff\xf1", b"\xff\xf9")  # Of aac, and just as well of two quiet raw samples.

OpenStream = Callable[[], AbstractContextManager[Readable]]


def stdin_chunks() -> AsyncIterator[bytes]:
    """Standard input in chunks of 100 ms (the last one may be shorter): a recording, or raw PCM.

    Raises:
        AudioError: it is a terminal; while it is read, where it is a recording that can't be read.
    """
    if sys.stdin.isatty():
        raise AudioError(
            "-: standard input is a terminal; pipe raw 16 kHz mono s16le into it, such as"
            " ffmpeg -i FILE -f s16le -ar 16000 -ac 1 - | dalston-rt transcribe -"
        )
    return _in_thread(stream_chunks("-", lambda: _unbuffered(sys.stdin.fileno()), raw=True))


def pipe_chunks(path: Path) -> AsyncIterator[bytes]:
    """A named pipe, or what a shell gives for `<(...)`, in chunks of 100 ms: a recording."""
    return _in_thread(stream_chunks(str(path), lambda: path.open("rb", buffering=0), raw=False))


def pieces_as_they_are(name: str) -> AsyncIterator[bytes]:
    """What a file, or standard input (-), holds: undecoded, in pieces as they come.

    Raises:
        AudioError: it is not there; while it is read, where it can't be.
    """
    if name != "-" and not Path(name).exists():
        raise AudioError(f"{name}: no such file")

    def open_stream() -> io.FileIO:
        return _unbuffered(sys.stdin.fileno()) if name == "-" else Path(name).open("rb", buffering=0)

    return _in_thread(_pieces(name, open_stream))


def _pieces(name: str, open_stream: OpenStream) -> Iterator[bytes]:
    try:
        with open_stream() as source:
            yield from iter(lambda: source.read(PIECE_BYTES) or b"", b"")
    except OSError as error:
        raise AudioError(f"{name}: can't be read ({error.strerror})") from None


def _unbuffered(descriptor: int) -> io.FileIO:
    """A stream without a lock, which a thread that waits in a read would keep when the program ends."""
    return open(descriptor, "rb", buffering=0, closefd=False)


def stream_chunks(name: str, open_stream: OpenStream, raw: bool) -> Iterator[bytes]:
    """The audio of a stream; with `raw` it is PCM where it does not start as a recording does.

    A WAV file is decoded as it comes. Any other recording is read to its end first.

    Raises:
        AudioError: it can't be read.
    """
    try:
        with open_stream() as source:
            stream = ByteStream(source)
            yield from _decoded(name, stream, raw)
    except OSError as error:
        raise AudioError(f"{name}: can't be read ({error.strerror})") from None


def _decoded(name: str, stream: ByteStream, raw: bool) -> Iterator[bytes]:
    head = stream.peek(HEAD_BYTES)
    if not head:
        raise AudioError(f"{name}: there is no audio, it ended before its first byte")
    if is_wav(head):
        from dalston_realtime.client.audio.files import wav_chunks  # its libraries are loaded only here

        yield from wav_chunks(stream, name)
    elif raw and not _is_recording(head):
        yield from iter(lambda: stream.read(CHUNK_BYTES), b"")
    else:
        yield from _spooled(name, stream)


def _is_recording(head: bytes) -> bool:
    return head.startswith(_STARTS) or (is_media(head) and not head.startswith(_AMBIGUOUS))


def _spooled(name: str, stream: ByteStream) -> Iterator[bytes]:
    """A recording that has to be a file to be read."""
    from dalston_realtime.client.audio.files import open_audio  # its libraries are loaded only here

    with tempfile.NamedTemporaryFile(prefix="dalston-") as copy:
        copy.writelines(iter(lambda: stream.read(COPY_BYTES), b""))
        copy.flush()
        try:
            with open_audio(Path(copy.name)) as file:
                yield from file.chunks
        except AudioError as error:
            raise AudioError(str(error).replace(copy.name, name)) from None


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, while a thread waits for them that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
    room, stopped = threading.Semaphore(MAX_WAITING), threading.Event()

    def put(item: bytes | Exception | None) -> None:
        with suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def read_all() -> None:
        try:
            for chunk in chunks:
                put(chunk)
                room.acquire()
                if stopped.is_set():
                    return
            put(None)
        except Exception as error:  # noqa: BLE001 - it is raised where the chunks are taken
            put(error)

    threading.Thread(target=read_all, name="audio", daemon=True).start()
    try:
        while (item := await queue.get()) is not None:
            room.release()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        room.release()
