"""The server certificates that the local CA signs: stored for the next run, renewed in time.

The rule: a renewed certificate has the same key, so that the hash of its public key stays valid,
and so that the certificate and the key match at every moment.
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

# A client may request any number of names by SNI: the cache of their contexts is bounded.
_MAX_CONTEXTS: Final = 64

CERTIFICATE: Final = "cert.pem"
KEY: Final = "key.pem"


def leaf_folder(authority: Authority, names: CertificateNames) -> Path:
    """The folder with a valid certificate for these names, made or renewed if necessary.

    Each CA and each set of names has its own folder. Raises UserError.
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
    """The key in a folder. Raises UserError."""
    try:
        key = load_pem_private_key(read_own(folder / KEY), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError(f"the key in {folder} cannot be read: remove it to have a new one made")
    return key


def _is_good(folder: Path, key: ec.EllipticCurvePrivateKey, authority: Authority) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.public_key() == key.public_key() and not is_due(certificate, authority)


def is_due(certificate: x509.Certificate, authority: Authority) -> bool:
    """Whether to renew a certificate; one that ends with its CA cannot be made longer."""
    end = certificate.not_valid_after_utc
    if end >= authority.certificate.not_valid_after_utc:
        return False
    return end - datetime.now(UTC) < RENEWED_BEFORE


class SniCertificates:
    """Certificates made during the handshake, for SNI names that the main certificate lacks.

    `*.localhost` is not enough: Firefox and OpenSSL require two labels after a wildcard.
    """

    def __init__(self, authority: Authority, folder: Path, allows: Callable[[str], bool]) -> None:
        """`folder` has the key; `allows(name)` is whether a client may request a name."""
        self._authority = authority
        self._folder = folder
        self._allows = allows
        self._contexts: dict[str, ssl.SSLContext | None] = {}

    def install(self, pair: Pair) -> None:
        """Set the SNI callback of this pair's context."""
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
            if len(self._contexts) >= _MAX_CONTEXTS:
                self._contexts.clear()
            with contextlib.suppress(UserError, OSError):
                self._contexts[name] = self._new_context(name)
        return self._contexts.get(name)

    def _new_context(self, name: str) -> ssl.SSLContext | None:
        """A context with a new certificate for a name; None if the name may not be requested."""
        if not self._allows(name) or not self._authority.permits(name):
            return None
        certificate = self._authority.issue(CertificateNames.of([name]), _key(self._folder))
        # `ssl` loads certificates from files only.
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(pem(certificate))
            file.flush()
            return read_pair(Path(file.name), self._folder / KEY).context
