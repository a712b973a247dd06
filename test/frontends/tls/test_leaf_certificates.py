"""Leaf certificates: stored, renewed in time, and made during the handshake for other names."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls import leaf_certificates as leaves
from httpprocessproxy.frontends.tls import signing
from httpprocessproxy.frontends.tls.certificate_authority import Authority, find_authority
from httpprocessproxy.frontends.tls.key_pair import Pair, read_pair
from httpprocessproxy.frontends.tls.leaf_certificates import (
    CERTIFICATE,
    KEY,
    SniCertificates,
    is_due,
    leaf_folder,
)
from httpprocessproxy.frontends.tls.names import CertificateNames

NAMES = CertificateNames.of(["localhost", "127.0.0.1"])


def pair_in(folder: Path) -> Pair:
    return read_pair(folder / CERTIFICATE, folder / KEY)


def short_lived(monkeypatch: pytest.MonkeyPatch, authority: Authority, days: float) -> Path:
    """A folder whose certificate ends in `days` days."""
    with monkeypatch.context() as patch:
        patch.setattr(signing, "_LEAF_LIFETIME", timedelta(days=days, hours=1))
        return leaf_folder(authority, NAMES)


def test_leaf_is_reused() -> None:
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    before = (folder / CERTIFICATE).read_bytes()
    assert leaf_folder(authority, NAMES) == folder
    assert (folder / CERTIFICATE).read_bytes() == before


def test_other_names_and_another_ca_have_their_own_folders(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    assert leaf_folder(authority, CertificateNames.of(["localhost"])) != folder
    monkeypatch.setenv("XDG_DATA_HOME", str(data.parent))
    other = find_authority()
    monkeypatch.delenv("XDG_DATA_HOME")
    assert leaf_folder(other, NAMES) != folder


def test_leaf_is_renewed_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = find_authority()
    folder = short_lived(monkeypatch, authority, 29)
    old = pair_in(folder)
    assert is_due(old.certificate, authority)
    assert leaf_folder(authority, NAMES) == folder
    new = pair_in(folder)
    assert new.certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=390)
    assert new.spki_hash == old.spki_hash


def test_leaf_with_31_days_left_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = find_authority()
    folder = short_lived(monkeypatch, authority, 31)
    old = pair_in(folder).certificate
    leaf_folder(authority, NAMES)
    assert pair_in(folder).certificate == old


def test_leaf_that_ends_with_its_ca_is_not_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signing, "_CA_LIFETIME", timedelta(days=10))
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    old = pair_in(folder).certificate
    assert old.not_valid_after_utc == authority.certificate.not_valid_after_utc
    leaf_folder(authority, NAMES)
    assert pair_in(folder).certificate == old


@pytest.mark.parametrize("content", ["", "junk"])
def test_damaged_certificate_is_replaced(content: str) -> None:
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    (folder / CERTIFICATE).write_text(content)
    pair_in(leaf_folder(authority, NAMES))


def test_damaged_key_is_a_user_error() -> None:
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    (folder / KEY).write_text("junk")
    with pytest.raises(UserError, match=r"the key in .* cannot be read: remove it"):
        leaf_folder(authority, NAMES)


class Handshake:
    """A TLS handshake in memory, with a client that requests a name by SNI."""

    def __init__(self, server: ssl.SSLContext, ca: Path, name: str) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.client = context.wrap_bio(to_client, to_server, server_hostname=name)
        self._ends = [self.client, server.wrap_bio(to_server, to_client, server_side=True)]
        for _ in range(3):
            for end in self._ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue

    @property
    def names(self) -> set[str]:
        encoded = self.client.getpeercert(binary_form=True)
        assert encoded
        certificate = x509.load_der_x509_certificate(encoded)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return set(names.value.get_values_for_type(x509.DNSName))


def greeted(name: str, *allowed: str) -> Handshake:
    authority = find_authority()
    folder = leaf_folder(authority, CertificateNames.of(["localhost", "*.localhost"]))
    pair = pair_in(folder)
    SniCertificates(authority, folder, allowed.__contains__).install(pair)
    shaken = Handshake(pair.context, authority.file, name)
    assert {path.name for path in folder.iterdir()} == {CERTIFICATE, KEY}
    return shaken


def test_name_in_the_main_certificate_gets_the_main_certificate() -> None:
    assert greeted("localhost").names == {"localhost", "*.localhost"}


def test_allowed_name_gets_its_own_certificate() -> None:
    shaken = greeted("App.localhost", "app.localhost")
    assert shaken.names == {"app.localhost"}
    assert shaken.client.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("name", ["other.localhost", "example.com"])
def test_forbidden_or_public_name_gets_the_main_certificate(name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        greeted(name, "example.com")


def test_cache_of_contexts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "_MAX_CONTEXTS", 3)
    authority = find_authority()
    folder = leaf_folder(authority, NAMES)
    certificates = SniCertificates(authority, folder, lambda name: True)
    pair = pair_in(folder)
    certificates.install(pair)
    for number in range(8):
        name = f"n{number}.localhost"
        assert Handshake(pair.context, authority.file, name).names == {name}
        assert len(certificates._contexts) <= 3
