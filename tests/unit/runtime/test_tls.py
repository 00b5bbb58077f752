"""TLS: a certificate that changes while it serves, one that is broken, and settings that do not fit."""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from runtime.errors import StartupError
from runtime.tls import ServerCertificate, client_context, server_certificate
from tests.support.certificates import TlsFiles, make_certificate


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> TlsFiles:
    return make_certificate(tmp_path, authority)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a handshake without sockets."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return one


def served(certificate: ServerCertificate, files: TlsFiles) -> bytes:
    """The certificate that a client sees."""
    seen = handshake(certificate.context, ssl.create_default_context(cafile=files.ca)).getpeercert(True)
    assert seen is not None
    return seen


def in_file(files: TlsFiles) -> bytes:
    """The certificate in the file."""
    return ssl.PEM_cert_to_DER_cert(files.cert.read_text().partition("-----END")[0] + ssl.PEM_FOOTER + "\n")


def test_a_renewed_certificate_is_served(files: TlsFiles, authority: trustme.CA) -> None:
    certificate = ServerCertificate(files.cert, files.key)
    first = in_file(files)
    assert served(certificate, files) == first
    files.replace(authority=authority)
    assert served(certificate, files) == first
    certificate.reload_if_changed()
    assert served(certificate, files) == in_file(files) != first


def key_alone(files: TlsFiles) -> None:
    cert = files.cert.read_bytes()
    files.replace()
    files.cert.write_bytes(cert)


def cert_alone(files: TlsFiles) -> None:
    key = files.key.read_bytes()
    files.replace()
    files.key.write_bytes(key)


@pytest.mark.parametrize(
    "spoil",
    [
        key_alone,
        cert_alone,
        lambda files: files.cert.write_text("no certificate"),
        lambda files: files.key.write_text(""),
        lambda files: files.key.unlink(),
    ],
)
def test_a_bad_certificate_leaves_the_last_one_and_says_so_once(
    files: TlsFiles, spoil: Callable[[TlsFiles], None], caplog: pytest.LogCaptureFixture
) -> None:
    certificate = ServerCertificate(files.cert, files.key)
    first = in_file(files)
    spoil(files)
    for _ in range(3):
        certificate.reload_if_changed()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "the certificate is not renewed" in caplog.text
    assert served(certificate, files) == first


def test_a_good_certificate_after_a_bad_one_is_served(files: TlsFiles, authority: trustme.CA) -> None:
    certificate = ServerCertificate(files.cert, files.key)
    cert_alone(files)
    certificate.reload_if_changed()
    files.replace(authority=authority)
    certificate.reload_if_changed()
    assert served(certificate, files) == in_file(files)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_present_versions_of_tls_are_spoken(files: TlsFiles, version: ssl.TLSVersion) -> None:
    client = ssl.create_default_context(cafile=files.ca)
    client.minimum_version = client.maximum_version = version
    name = version.name.replace("_", ".")
    assert handshake(ServerCertificate(files.cert, files.key).context, client).version() == name


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_older_is_refused(files: TlsFiles) -> None:
    client = ssl.create_default_context(cafile=files.ca)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        handshake(ServerCertificate(files.cert, files.key).context, client)


def test_settings_that_do_not_fit_are_named(files: TlsFiles) -> None:
    assert server_certificate(None, None, "TLS") is None
    with pytest.raises(StartupError, match="DALSTON_TLS_CERT and DALSTON_TLS_KEY belong together"):
        server_certificate(files.cert, None, "TLS")
    with pytest.raises(StartupError, match=r"can't use DALSTON_TLS_CERT=.*: no such file"):
        server_certificate(files.cert, Path("absent"), "TLS")
    key_alone(files)
    with pytest.raises(StartupError, match="key values mismatch"):
        server_certificate(files.cert, files.key, "TLS")


def test_a_file_without_a_ca_is_named(files: TlsFiles) -> None:
    with pytest.raises(StartupError, match="can't use DALSTON_TLS_CA="):
        client_context(files.key)
