"""The certificates that we have signed ourselves: kept for the next run, renewed in time.

The rule: a certificate is renewed with the key it had, so that its public key's hash stays good,
and so that certificate and key always match, whoever reads them in between.
"""

import contextlib
import hashlib
import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls.certificate_authority import Authority
from httpprocessproxy.frontends.tls.folders import data_folder, make_once, read_own, replace_file
from httpprocessproxy.frontends.tls.key_pair import Pair, read_pair
from httpprocessproxy.frontends.tls.names import CertificateNames
from httpprocessproxy.frontends.tls.signing import key_pem, pem

RENEWED_BEFORE: Final = timedelta(days=30)

# Whoever asks for one name after the other gets them all, but we do not keep them all.
_MAX_GUESTS: Final = 64

CERTIFICATE: Final = "cert.pem"
KEY: Final = "key.pem"


def leaf_folder(authority: Authority, names: CertificateNames) -> Path:
    """The folder with a good certificate for these names, made or renewed if need be.

    Each CA and each set of names has a folder of its own. Raises UserError.
    """
    about = pem(authority.certificate) + str(names).encode()
    folder = data_folder() / f"leaf-{hashlib.sha256(about).hexdigest()[:16]}"
    if not folder.is_dir():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = authority.issue(names, key)
        make_once(folder, {CERTIFICATE: pem(certificate), KEY: key_pem(key)})
    key = _key(folder)
    if not _is_good(folder, key, authority):
        replace_file(folder / CERTIFICATE, pem(authority.issue(names, key)))
    return folder


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(read_own(folder / KEY), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError(f"the key in {folder} cannot be read: remove it to have it made anew")
    return key


def _is_good(folder: Path, key: ec.EllipticCurvePrivateKey, authority: Authority) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.public_key() == key.public_key() and not is_due(certificate, authority)


def is_due(certificate: x509.Certificate, authority: Authority) -> bool:
    """Whether it is time for another. One that ends with its CA cannot be made longer."""
    end = certificate.not_valid_after_utc
    if end >= authority.certificate.not_valid_after_utc:
        return False
    return end - datetime.now(UTC) < RENEWED_BEFORE


class SniCertificates:
    """Certificates made while a client waits, for names that the main one does not have.

    `*.localhost` is not enough: Firefox and OpenSSL want two labels behind a star.
    """

    def __init__(self, authority: Authority, folder: Path, allows: Callable[[str], bool]) -> None:
        """`folder` has the key, `allows` says which names may be asked for."""
        self._authority = authority
        self._folder = folder
        self._allows = allows
        self._contexts: dict[str, ssl.SSLContext | None] = {}

    def attend(self, pair: Pair) -> None:
        """Let clients of this pair's context ask for other names."""
        names = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        own = set(names.value.get_values_for_type(x509.DNSName))

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is not None and name.lower() not in own:
                context = self._context(name.lower())
                if context is not None:
                    connection.context = context

        pair.context.sni_callback = choose

    def _context(self, name: str) -> ssl.SSLContext | None:
        if name not in self._contexts:
            if len(self._contexts) >= _MAX_GUESTS:
                self._contexts.clear()
            with contextlib.suppress(UserError, OSError):
                self._contexts[name] = self._made(name)
        return self._contexts.get(name)

    def _made(self, name: str) -> ssl.SSLContext | None:
        if not self._allows(name) or not self._authority.permits(name):
            return None
        certificate = self._authority.issue(CertificateNames.of([name]), _key(self._folder))
        # `ssl` loads from files alone.
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(pem(certificate))
            file.flush()
            return read_pair(Path(file.name), self._folder / KEY).context
