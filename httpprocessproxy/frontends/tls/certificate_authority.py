"""The CA that signs the proxy's certificates: mkcert's, if there is one, else one of this user.

The rule: the CA that the proxy makes is constrained to local names (RFC 5280 section 4.2.1.10, name
constraints), so that a stolen key cannot impersonate a site of the internet.
"""

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import Ip
from httpprocessproxy.frontends.tls.folders import data_folder, make_once, read_own
from httpprocessproxy.frontends.tls.names import CertificateNames, is_name
from httpprocessproxy.frontends.tls.signing import (
    PrivateKey,
    extension,
    key_pem,
    make_ca,
    pem,
    sign_server,
)

_MKCERT_TIMEOUT_S = 5.0


class Authority:
    """A CA certificate with its key. `file` holds the certificate, to be added to trust stores."""

    def __init__(
        self, file: Path, certificate: x509.Certificate, key: PrivateKey, *, is_ours: bool
    ) -> None:
        """`is_ours` is True for a CA made by this program, and False for mkcert's."""
        self.file = file
        self.certificate = certificate
        self.is_ours = is_ours
        self._key = key
        self._constraints = extension(certificate, x509.NameConstraints)

    @property
    def name(self) -> str:
        """The common name; unique for each CA that this program makes."""
        attributes = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(attributes[0].value) if attributes else self.certificate.subject.rfc4514_string()

    @property
    def short_name(self) -> str:
        """Eight hexadecimal digits of the fingerprint, for a file name."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()[:8]

    def permitted(self, hosts: Iterable[str]) -> tuple[CertificateNames, list[str]]:
        """The names that this CA may sign, and the other hosts."""
        good = [host for host in hosts if self.permits(host)]
        return CertificateNames.of(good), [host for host in hosts if host not in good]

    def permits(self, host: str) -> bool:
        """Whether this CA may sign a host: one name outside its constraints voids a certificate."""
        if not is_name(host):
            return False
        if self._constraints is None:
            return True
        subtrees = self._constraints.permitted_subtrees or ()
        return any(_is_within(host, tree) for tree in subtrees)

    def issue(self, names: CertificateNames, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """Sign a certificate for a server with these names."""
        return sign_server(self.certificate, self._key, names, key)


def find_authority() -> Authority:
    """Return mkcert's CA, or this user's own, which is made at the first call. Raises UserError."""
    return _mkcert() or _own(data_folder() / "ca")


def _mkcert() -> Authority | None:
    """mkcert's CA, if its files exist and can be read."""
    folder = os.environ.get("CAROOT") or _ask_mkcert()
    if not folder:
        return None
    file = Path(folder) / "rootCA.pem"
    try:
        certificate, key = file.read_bytes(), file.with_name("rootCA-key.pem").read_bytes()
    except OSError:
        return None
    return _authority(file, certificate, key, is_ours=False)


def _ask_mkcert() -> str:
    """The output of `mkcert -CAROOT`; "" without mkcert, or if it fails."""
    command = shutil.which("mkcert")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, "-CAROOT"], capture_output=True, timeout=_MKCERT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(done.stdout.strip())


def _own(folder: Path) -> Authority:
    file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if not folder.is_dir():
        certificate, key = make_ca()
        make_once(folder, {file.name: pem(certificate), key_file.name: key_pem(key)})
    return _authority(file, read_own(file), read_own(key_file), is_ours=True)


def _authority(file: Path, certificate: bytes, key: bytes, *, is_ours: bool) -> Authority:
    """Parse and check a CA. Raises UserError, with the remedy in its text."""
    folder = file.parent
    remedy = f"remove {folder} to have a new one made" if is_ours else "run mkcert -install"
    try:
        read = x509.load_pem_x509_certificate(certificate)
        read_key = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise UserError(f"the CA in {folder} cannot be read: {remedy}") from error
    if read.not_valid_after_utc <= datetime.now(UTC):
        raise UserError(f"the CA in {folder} has expired: {remedy}")
    if not isinstance(read_key, PrivateKey) or read_key.public_key() != read.public_key():
        raise UserError(f"the CA in {folder} does not match its key: {remedy}")
    return Authority(file, read, read_key, is_ours=is_ours)


def _is_within(host: str, tree: x509.GeneralName) -> bool:
    """Whether a host is in a permitted subtree (RFC 5280 section 4.2.1.10).

    A domain includes its subdomains.
    """
    try:
        address: Ip | None = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        address = None
    if isinstance(tree, x509.IPAddress):
        network = tree.value
        if not isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return False  # RFC 5280 constraints hold networks, not single addresses
        return address is not None and address in network
    name, domain = host.lower().removeprefix("*."), str(tree.value).removeprefix(".")
    return address is None and (name == domain or name.endswith(f".{domain}"))
