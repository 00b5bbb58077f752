"""Makes certificates of a CA of the tests, and puts TLS before a server that speaks none."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import trustme

Backend = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class TlsFiles(NamedTuple):
    """The files of a certificate, its key, and the CA that signed it."""

    cert: Path
    key: Path
    ca: Path

    def replace(self, name: str = "localhost", authority: trustme.CA | None = None) -> None:
        """Write another certificate of this or another CA into the same files."""
        issued = (authority or trustme.CA()).issue_cert(name, "127.0.0.1")
        issued.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def server_context(self) -> ssl.SSLContext:
        """A server's context with the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def make_certificate(folder: Path, authority: trustme.CA | None = None) -> TlsFiles:
    """A certificate for localhost and 127.0.0.1 in files of `folder`."""
    authority = authority or trustme.CA()
    files = TlsFiles(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    authority.cert_pem.write_to_path(files.ca)
    files.replace(authority=authority)
    return files


@asynccontextmanager
async def tls_before(files: TlsFiles, backend: Backend) -> AsyncIterator[int]:
    """Take connections with TLS and pass them on to `backend` for the duration of a block; the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await backend()
        tasks.update((_pump(reader, other_writer), _pump(other_reader, writer)))

    tasks: set[asyncio.Task[None]] = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=files.server_context())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def tls_beside(files: TlsFiles, port: int) -> Iterator[int]:
    """The same before a port of this machine, in an event loop of its own in a thread."""

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port)

    async def serve(told: Future[int], over: asyncio.Event) -> None:
        async with tls_before(files, connect) as safe:
            told.set_result(safe)
            await over.wait()

    loop, over, told = asyncio.new_event_loop(), asyncio.Event(), Future[int]()
    thread = Thread(target=loop.run_until_complete, args=(serve(told, over),))
    thread.start()
    try:
        yield told.result()
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "asyncio.Task[None]":
    async def run() -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()

    return asyncio.create_task(run())
