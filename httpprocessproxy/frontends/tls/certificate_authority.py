"""Who signs our certificates: mkcert's CA where there is one, else a CA of this user, made once.

The rule: our CA is good for names that lead nowhere else (RFC 5280 section 4.2.1.10, name
constraints), so that whoever steals its key cannot pretend to be a site of the internet.
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
    """A CA whose key we have. `file` has its certificate, for those who are to trust it."""

    def __init__(
        self, file: Path, certificate: x509.Certificate, key: PrivateKey, *, is_ours: bool
    ) -> None:
        """`is_ours` is whether we have made it; else mkcert has."""
        self.file = file
        self.certificate = certificate
        self.is_ours = is_ours
        self._key = key
        self._constraints = extension(certificate, x509.NameConstraints)

    @property
    def name(self) -> str:
        """Its name for people, which no other CA of ours has."""
        attributes = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(attributes[0].value) if attributes else self.certificate.subject.rfc4514_string()

    @property
    def short_name(self) -> str:
        """For the name of a file."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()[:8]

    def permitted(self, hosts: Iterable[str]) -> tuple[CertificateNames, list[str]]:
        """The names that we can sign, and the hosts that we cannot."""
        good = [host for host in hosts if self.permits(host)]
        return CertificateNames.of(good), [host for host in hosts if host not in good]

    def permits(self, host: str) -> bool:
        """Whether a certificate for this host would hold. One name beyond spoils a certificate."""
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
    """mkcert's CA, or this user's own, made if need be. Raises UserError."""
    return _mkcert() or _own(data_folder() / "ca")


def _mkcert() -> Authority | None:
    """mkcert's CA, if its files are there and ours to read."""
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
    command = shutil.which("mkcert")
    if command is None:
        return ""
    try:
        asked = subprocess.run(
            [command, "-CAROOT"], capture_output=True, timeout=_MKCERT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(asked.stdout.strip())


def _own(folder: Path) -> Authority:
    file, key_file = folder / "ca.pem", folder / "ca-key.pem"
    if not folder.is_dir():
        certificate, key = make_ca()
        make_once(folder, {file.name: pem(certificate), key_file.name: key_pem(key)})
    return _authority(file, read_own(file), read_own(key_file), is_ours=True)


def _authority(file: Path, certificate: bytes, key: bytes, *, is_ours: bool) -> Authority:
    """Raises UserError."""
    folder = file.parent
    remedy = f"remove {folder} to have it made anew" if is_ours else "run mkcert -install"
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
    """RFC 5280 section 4.2.1.10: a domain has all its subdomains."""
    try:
        address: Ip | None = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        address = None
    if isinstance(tree, x509.IPAddress):
        network = tree.value
        if not isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return False  # a single address is none of RFC 5280's
        return address is not None and address in network
    name, domain = host.lower().removeprefix("*."), str(tree.value).removeprefix(".")
    return address is None and (name == domain or name.endswith(f".{domain}"))
