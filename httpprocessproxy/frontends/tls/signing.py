"""The fields and extensions of certificates (RFC 5280): of the local CA, and of servers."""

import getpass
import ipaddress
import secrets
import socket
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from httpprocessproxy.frontends.tls.names import CertificateNames, is_name

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
T = TypeVar("T", bound=x509.ExtensionType)

# Domains reserved for local use: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`.
_LOCAL_DOMAINS: Final = ("localhost", "local", "test", "internal", "home.arpa")
# Networks for local use: RFC 1122, RFC 1918, RFC 3927, RFC 6598, RFC 4193, RFC 4291.
_LOCAL_NETWORKS: Final = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("100.64.0.0/10", "::1/128", "fc00::/7", "fe80::/10"),
)

_CA_LIFETIME: Final = timedelta(days=3650)
# Browsers accept at most 398 days from a public CA, and macOS 825 days from any CA.
_LEAF_LIFETIME: Final = timedelta(days=396)
# Clocks of containers and phones may be slow.
_BACKDATED: Final = timedelta(hours=1)


def make_ca() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Make a CA constrained to local names, which cannot sign another CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    began = datetime.now(UTC) - _BACKDATED
    # The name is unique, because trust stores confuse two CAs of the same name.
    name = f"http-process-proxy CA of {_user()}, {secrets.token_hex(4)}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key, began, began + _CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(_local_trees(), None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def sign_server(
    ca: x509.Certificate,
    ca_key: PrivateKey,
    names: CertificateNames,
    key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    """Sign the certificate of a server with this key and these names."""
    began = datetime.now(UTC) - _BACKDATED
    until = min(began + _LEAF_LIFETIME, ca.not_valid_after_utc)
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "http-process-proxy")])
    general = [*map(x509.DNSName, names.dns), *map(x509.IPAddress, names.addresses)]
    return (
        _builder(subject, ca.subject, key, began, until)
        .add_extension(x509.SubjectAlternativeName(general), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_issuer_identifier(ca), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def extension(certificate: x509.Certificate, kind: type[T]) -> T | None:
    """The extension of this kind in a certificate, or None."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _user() -> str:
    """The user and the machine, shortened: a common name has at most 64 characters."""
    machine = socket.gethostname()[:12]
    try:
        return f"{getpass.getuser()[:12]}@{machine}"
    except (OSError, KeyError):  # a container's user without a name; KeyError up to Python 3.12
        return machine


def _local_trees() -> list[x509.GeneralName]:
    # The machine's own name, without a dot, is local as well.
    machine = socket.gethostname().lower().partition(".")[0]
    domains = [*_LOCAL_DOMAINS, *([machine] if is_name(machine) else [])]
    networks = [ipaddress.ip_network(network) for network in _LOCAL_NETWORKS]
    return [*map(x509.DNSName, dict.fromkeys(domains)), *map(x509.IPAddress, networks)]


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    began: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(until)
        .add_extension(identifier, critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = extension(issuer, x509.SubjectKeyIdentifier)
    if identifier is not None:
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    key = issuer.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
