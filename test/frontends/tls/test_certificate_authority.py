"""The CA that signs certificates: mkcert's, or this user's own, for local names only."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends.tls import certificate_authority as authority
from httpprocessproxy.frontends.tls.certificate_authority import Authority, find_authority
from httpprocessproxy.frontends.tls.names import CertificateNames
from httpprocessproxy.frontends.tls.signing import pem
from test.tls import StoppedClock, make_caroot


def verified(ca: Authority, *hosts: str) -> bool:
    """Whether openssl, an independent implementation, accepts a certificate for these hosts."""
    folder = ca.file.parent
    leaf = folder / "leaf.pem"
    leaf.write_bytes(
        pem(ca.issue(CertificateNames.of(hosts), ec.generate_private_key(ec.SECP256R1())))
    )
    command = ["openssl", "verify", "-purpose", "sslserver", "-CAfile", str(ca.file)]
    return subprocess.run([*command, str(leaf)], capture_output=True, check=False).returncode == 0


def test_ca_is_made_once(data: Path) -> None:
    first, second = find_authority(), find_authority()
    assert first.certificate == second.certificate
    assert first.file == data / "ca" / "ca.pem"
    assert first.is_ours


def test_two_cas_have_different_names(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_authority()
    monkeypatch.setenv("XDG_DATA_HOME", str(data.parent))
    second = find_authority()
    assert first.name != second.name
    assert first.short_name != second.short_name


def test_ca_may_sign_servers_and_no_other_ca() -> None:
    certificate = find_authority().certificate
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == timedelta(days=3650)


LOCAL = ["localhost", "*.localhost", "app.localhost", "box.local", "a.b.test", "127.0.0.1", "::1"]


@pytest.mark.parametrize("host", [*LOCAL, "192.168.1.5", "10.1.2.3", "fd00::1", "fe80::1%eth0"])
def test_local_name_is_permitted_and_verified(host: str) -> None:
    found = find_authority()
    assert found.permits(host)
    assert verified(found, host)


@pytest.mark.parametrize("host", ["example.com", "evillocalhost", "8.8.8.8", "2001:db8::1"])
def test_name_of_the_internet_is_neither_permitted_nor_verified(host: str) -> None:
    found = find_authority()
    assert not found.permits(host)
    assert not verified(found, host, "localhost"), "the constraint is only ours"


def test_hosts_that_the_ca_may_not_sign_are_returned() -> None:
    names, refused = find_authority().permitted(["localhost", "example.com", "10.0.0.1", "a..b"])
    assert str(names) == "localhost, 10.0.0.1"
    assert refused == ["example.com", "a..b"]


def test_lifetime_of_a_leaf_is_accepted_by_browsers() -> None:
    leaf = find_authority().issue(
        CertificateNames.of(["localhost"]), ec.generate_private_key(ec.SECP256R1())
    )
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=397)
    assert leaf.not_valid_after_utc - datetime.now(UTC) > timedelta(days=390)


def test_ca_of_mkcert_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_caroot(tmp_path / "caroot")
    monkeypatch.setenv("CAROOT", str(tmp_path / "caroot"))
    found = find_authority()
    assert not found.is_ours
    assert found.permits("example.com"), "mkcert's CA has no constraints"
    assert verified(found, "example.com", "localhost")


def test_ca_of_mkcert_is_found_by_running_mkcert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_caroot(tmp_path / "caroot")
    mkcert = tmp_path / "bin" / "mkcert"
    mkcert.parent.mkdir()
    mkcert.write_text(f'#!/bin/sh\n[ "$1" = -CAROOT ] && echo {tmp_path}/caroot\n')
    mkcert.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mkcert.parent}:{os.environ['PATH']}")
    assert find_authority().file == tmp_path / "caroot" / "rootCA.pem"
    mkcert.write_text("#!/nowhere\n")
    assert find_authority().is_ours


def test_own_ca_is_used_when_the_key_of_mkcert_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_caroot(tmp_path / "caroot")
    (tmp_path / "caroot" / "rootCA-key.pem").unlink()
    monkeypatch.setenv("CAROOT", str(tmp_path / "caroot"))
    assert find_authority().is_ours


def test_damaged_ca_is_a_user_error(data: Path) -> None:
    find_authority()
    (data / "ca" / "ca.pem").write_text("no certificate")
    with pytest.raises(UserError, match=r"cannot be read: remove .*/ca to have a new one made"):
        find_authority()


def test_ca_with_the_key_of_another_is_a_user_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_caroot(tmp_path / "caroot")
    trustme.CA().private_key_pem.write_to_path(tmp_path / "caroot" / "rootCA-key.pem")
    monkeypatch.setenv("CAROOT", str(tmp_path / "caroot"))
    with pytest.raises(UserError, match="does not match its key: run mkcert -install"):
        find_authority()


def test_expired_ca_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = find_authority().certificate.not_valid_after_utc
    monkeypatch.setattr(authority, "datetime", StoppedClock(ended))
    with pytest.raises(UserError, match="has expired: remove"):
        find_authority()
