"""Makes the TLS contexts of our servers and clients, and takes a certificate that is renewed meanwhile."""

import asyncio
import ssl
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

from runtime.errors import StartupError
from runtime.logs import get_logger
from runtime.settings import PREFIX

log = get_logger(__name__)

CHECK_S: Final = 5.0  # Seconds between two looks whether the files of a certificate have changed.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"  # Of TLS 1.2: those with forward secrecy, without CBC.

_Stamp = tuple[tuple[int, int, int], ...]


class ServerCertificate:
    """A certificate and its key in files; `context` serves with what was last good in them."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Load the files.

        Raises:
            OSError: they can't be read, or do not belong together (ssl.SSLError).
        """
        self._cert, self._key = cert, key
        self._seen = self._stamp()
        self.context = self._load(_server_context())

    async def run(self) -> NoReturn:
        """Take the files' new content when they change, until cancelled; connections stay open."""
        while True:
            await asyncio.sleep(CHECK_S)
            self.reload_if_changed()

    def reload_if_changed(self) -> None:
        """Serve new connections with what is in the files, where that has changed and is good."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._load(_server_context())  # A bad file would leave the context that serves without a key.
            self._load(self.context)
        except OSError as error:
            log.warning("the certificate is not renewed", file=str(self._cert), why=_reason(error))
        else:
            log.info("the certificate is renewed", file=str(self._cert))

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.load_cert_chain(self._cert, self._key, password="")  # Without one OpenSSL asks the terminal.
        return context

    def _stamp(self) -> _Stamp | None:
        """What changes when somebody writes or replaces one of the files; None where one is missing."""
        try:
            found = [path.stat() for path in (self._cert, self._key)]
        except OSError:
            return None
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)


def server_certificate(cert: Path | None, key: Path | None, name: str) -> ServerCertificate | None:
    """The certificate of the settings `name`_CERT and `name`_KEY; None where neither is set.

    Raises:
        StartupError: one of the two is missing, or they can't be used.
    """
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise StartupError(f"{PREFIX}{name}_CERT and {PREFIX}{name}_KEY belong together: set both")
    try:
        return ServerCertificate(cert, key)
    except OSError as error:
        raise StartupError(f"can't use {PREFIX}{name}_CERT={cert} with {key}: {_reason(error)}") from None


@cache
def client_context(ca: Path | None) -> ssl.SSLContext:
    """The context of a client of our own servers, which trusts the file `ca`, or what the system trusts.

    Raises:
        StartupError: there are no certificates in `ca`.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise StartupError(f"can't use {PREFIX}TLS_CA={ca}: {_reason(error)}") from None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no certificate in it").lower().replace("_", " ")
    return (error.strerror or str(error)).lower()
