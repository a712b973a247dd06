"""The identity: the reload of changed files, and reports of bad ones."""

import asyncio
import os
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from httpprocessproxy.config import Address, Config, ListenConfig, ServiceConfig, TlsConfig
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.tls import certificates
from httpprocessproxy.frontends.tls import leaf_certificates as leaves
from httpprocessproxy.frontends.tls.certificate_authority import find_authority
from httpprocessproxy.frontends.tls.certificates import Identity, LocalIdentity, open_identity
from test.loops import eventually, on_every_loop
from test.tls import StoppedClock, make_pair

RULE = HostRule((), "localhost")


class Watched:
    """An identity, the lines that it reported, and the number of its reloads."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.said: list[str] = []
        self.reloads = 0
        identity.on_reload(self._count)

    def look(self) -> None:
        self.identity.look(self.said.append)

    def _count(self) -> None:
        self.reloads += 1


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(Identity(*make_pair(tmp_path)))


def config(
    bind: str = "8000", cert: Path | None = None, key: Path | None = None, *hosts: str
) -> Config:
    return Config(
        ListenConfig(Address.parse(bind), allowed_hosts=hosts),
        (ServiceConfig(Address.parse("8001"), ("server",)),),
        tls=TlsConfig(enabled=True, cert=cert, key=key),
    )


def test_context_requires_tls_1_2_and_refuses_renegotiation(watched: Watched) -> None:
    context = watched.identity.context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_unchanged_files_are_not_reloaded(watched: Watched) -> None:
    context = watched.identity.context()
    watched.look()
    assert (watched.identity.context(), watched.reloads, watched.said) == (context, 0, [])


def test_new_pair_replaces_the_old_one(watched: Watched, tmp_path: Path) -> None:
    old, spki = watched.identity.context(), watched.identity.spki_hash
    make_pair(tmp_path)
    watched.look()
    assert watched.identity.context() is not old
    assert watched.identity.spki_hash != spki
    assert watched.reloads == 1
    watched.look()
    assert watched.reloads == 1


def test_half_of_a_new_pair_is_not_loaded_until_the_other_half_is_there(
    watched: Watched, tmp_path: Path
) -> None:
    old = watched.identity.context()
    certificate, key = make_pair(tmp_path / "new")
    os.replace(certificate, watched.identity.certificate_file)
    watched.look()
    assert (watched.identity.context(), watched.said) == (old, [])
    os.replace(key, watched.identity.key_file)
    watched.look()
    assert watched.identity.context() is not old
    assert watched.said == []


def test_bad_pair_is_reported_once_and_not_loaded(watched: Watched) -> None:
    old = watched.identity.context()
    watched.identity.key_file.write_text("junk")
    for _ in range(4):
        watched.look()
    assert watched.identity.context() is old
    problem = f"{watched.identity.key_file} has no private key in PEM format"
    assert watched.said == [f"{problem}; going on with the certificate from before"]
    watched.identity.key_file.unlink()
    for _ in range(4):
        watched.look()
    assert len(watched.said) == 2
    assert "cannot read the private key" in watched.said[1]


def test_expired_pair_is_reported_and_not_loaded(watched: Watched, tmp_path: Path) -> None:
    old = watched.identity.context()
    make_pair(tmp_path, days=-1)
    watched.look()
    watched.look()
    assert watched.identity.context() is old
    assert "has expired" in watched.said[0]


def test_expiry_of_the_certificate_in_use_is_reported_once(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "datetime", StoppedClock(watched.identity.expires))
        watched.look()
        watched.look()
    assert [line.rpartition("pem ")[2] for line in watched.said] == [
        "has expired: put another in its place"
    ]
    make_pair(tmp_path)
    watched.look()
    assert watched.reloads == 1


@on_every_loop
async def test_files_are_checked_while_the_context_is_open(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_S", 0.01)
    with watched.identity.watching(watched.said.append):
        for count in (1, 2):
            make_pair(watched.identity.certificate_file.parent)
            await eventually(lambda count=count: watched.reloads >= count)  # type: ignore[misc]
    make_pair(watched.identity.certificate_file.parent)
    seen = watched.reloads
    await asyncio.sleep(0.03)  # the time of three looks
    assert watched.reloads == seen


def test_options_name_the_files(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path)
    identity = open_identity(config(cert=certificate, key=key), RULE)
    assert (identity.certificate_file, identity.key_file) == (certificate, key)
    assert identity.authority is None
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    assert open_identity(config(cert=both), RULE).key_file == both


def test_bad_pair_at_the_start_is_a_user_error(tmp_path: Path) -> None:
    certificate, _ = make_pair(tmp_path)
    with pytest.raises(UserError, match="has no private key"):
        open_identity(config(cert=certificate), RULE)


def test_identity_without_files_is_signed_by_the_local_ca() -> None:
    identity = open_identity(config("192.168.7.7:8000"), RULE)
    assert identity.authority is not None
    assert identity.uncovered == []
    again = open_identity(config("192.168.7.7:8000"), RULE)
    assert again.spki_hash == identity.spki_hash


def test_hosts_that_the_ca_may_not_sign_are_uncovered() -> None:
    identity = open_identity(config("dev.example.com:8000", None, None, "a.test"), RULE)
    assert identity.uncovered == ["dev.example.com"]


def local(hosts: Callable[[], list[str]]) -> Watched:
    return Watched(LocalIdentity(find_authority(), hosts, RULE))


def test_new_address_of_the_machine_gets_a_new_certificate() -> None:
    hosts = ["localhost"]
    watched = local(lambda: hosts)
    watched.look()
    assert watched.reloads == 0
    file = watched.identity.certificate_file
    hosts.append("192.168.7.7")
    watched.look()
    assert (watched.reloads, watched.said) == (1, [])
    assert watched.identity.certificate_file != file


def test_local_certificate_is_renewed_with_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = local(lambda: ["localhost"])
    expires, spki = watched.identity.expires, watched.identity.spki_hash
    monkeypatch.setattr(leaves, "RENEWED_BEFORE", timedelta(days=3000))
    watched.look()
    assert watched.reloads == 1
    assert watched.identity.expires >= expires
    assert watched.identity.spki_hash == spki


def test_failed_renewal_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = local(lambda: ["localhost"])
    old = watched.identity.context()
    monkeypatch.setattr(leaves, "RENEWED_BEFORE", timedelta(days=3000))
    watched.identity.key_file.write_text("junk")
    for _ in range(3):
        watched.look()
    assert len(watched.said) == 1
    assert watched.identity.context() is old
