"""A certificate and its key, read from PEM files; each error is a UserError of one line."""

import base64
import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from httpprocessproxy.core.errors import UserError

ALPN = ("h2", "http/1.1")

_MOMENT = "%Y-%m-%d %H:%M UTC"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate that matches its key, and the SSL context with both loaded."""

    certificate: x509.Certificate
    context: ssl.SSLContext

    @property
    def spki_hash(self) -> str:
        """The SHA-256 of the public key, in base64: Chromium accepts a key by this hash."""
        key = self.certificate.public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(info).digest()).decode()


def read_pair(certificate_file: Path, key_file: Path) -> Pair:
    """Read and load a certificate and its key, which may be in one file. Raises UserError."""
    certificate = _parsed(certificate_file, "certificate", x509.load_pem_x509_certificate)
    key = _parsed(key_file, "private key", lambda content: load_pem_private_key(content, None))
    if key.public_key() != certificate.public_key():
        raise UserError(f"the key {key_file} does not belong to the certificate {certificate_file}")
    now = datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end <= now:
        raise UserError(f"the certificate {certificate_file} has expired, on {end:{_MOMENT}}")
    if begin > now:
        raise UserError(f"the certificate {certificate_file} is not valid before {begin:{_MOMENT}}")
    return Pair(certificate, _context(certificate_file, key_file))


def _parsed(file: Path, what: str, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(file.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read the {what} {file}: {error.strerror}") from error
    except TypeError as error:  # a password was not given
        raise UserError(
            f"the {what} {file} is encrypted: decrypt it first, with openssl pkey -in {file}"
        ) from error
    except ValueError as error:
        raise UserError(f"{file} has no {what} in PEM format") from error


def _context(certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Renegotiation would let a client repeat the costly part of a handshake.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(ALPN)
    try:
        context.load_cert_chain(certificate_file, key_file)
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).replace("_", " ").lower()
        raise UserError(f"the certificate {certificate_file} cannot be used: {reason}") from error
    except OSError as error:
        raise UserError(f"cannot read {certificate_file}: {error.strerror}") from error
    return context
