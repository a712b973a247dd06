"""The stores without the CA, and the commands that add it; databases are made by certutil."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from httpprocessproxy.frontends.tls import trust_stores as stores
from httpprocessproxy.frontends.tls.certificate_authority import Authority, find_authority
from httpprocessproxy.frontends.tls.trust_stores import Store, in_nss, missing
from test.tls import make_caroot


@pytest.fixture(autouse=True)
def _no_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_SYSTEMS", ())


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HOME"])


def make_database(folder: Path) -> Path:
    folder.mkdir(parents=True)
    command = ["certutil", "-d", f"sql:{folder}", "-N", "--empty-password"]
    subprocess.run(command, check=True)
    return folder


def run(found: Sequence[Store]) -> None:
    for store in found:
        for command in store.commands:
            subprocess.run(command, check=True)


def test_database_of_chromium_is_made_if_it_is_missing(home: Path) -> None:
    authority = find_authority()
    found = missing(authority, home)
    assert [store.owner for store in found] == ["Chromium, Chrome, Edge and others"]
    run(found)
    assert in_nss(home / ".pki/nssdb", authority)
    assert missing(authority, home) == []


def test_each_profile_of_firefox_is_a_store(home: Path) -> None:
    make_database(home / ".mozilla/firefox/abc.default")
    make_database(home / "snap/firefox/common/.mozilla/firefox/xyz.default")
    (home / ".mozilla/firefox/empty").mkdir()
    found = missing(find_authority(), home)
    assert [store.owner for store in found[1:]] == [
        "Firefox, profile abc.default",
        "Firefox, profile xyz.default",
    ]
    run(found)
    assert missing(find_authority(), home) == []


def test_ca_is_trusted_for_servers_only(home: Path) -> None:
    authority = find_authority()
    run(missing(authority, home))
    command = ["certutil", "-d", f"sql:{home}/.pki/nssdb", "-L"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert f"{authority.name}" in listed
    assert listed.split()[-1] == "C,,"


def test_database_with_another_ca_is_missing_this_one(
    home: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(missing(find_authority(), home))
    monkeypatch.setenv("XDG_DATA_HOME", str(data))
    other = find_authority()
    assert not in_nss(home / ".pki/nssdb", other)
    run(missing(other, home))
    assert in_nss(home / ".pki/nssdb", other)


def test_damaged_database_does_not_have_the_ca(home: Path) -> None:
    folder = make_database(home / ".pki/nssdb")
    (folder / "cert9.db").write_text("junk")
    assert not in_nss(folder, find_authority())


@pytest.mark.parametrize("user", [0, 1000])
def test_store_of_the_system_is_changed_as_root(
    user: int, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = find_authority()
    run(missing(authority, home))
    system = (str(tmp_path), "crt", ("true", "--fresh"))
    monkeypatch.setattr(stores, "_SYSTEMS", (("/nowhere", "pem", ("true",)), system))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    [store] = missing(authority, home)
    sudo = () if user == 0 else ("sudo",)
    target = f"{tmp_path}/http-process-proxy-{authority.short_name}.crt"
    assert store.commands == (
        (*sudo, "install", "-m", "644", str(authority.file), target),
        (*sudo, "true", "--fresh"),
    )
    if user == 0:
        run([store])
        assert Path(target).read_bytes() == authority.file.read_bytes()
        assert missing(authority, home) == []


def test_store_of_macos_is_the_login_keychain(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = find_authority()
    monkeypatch.setattr(sys, "platform", "darwin")
    [store] = missing(authority, home)
    keychain = f"{home}/Library/Keychains/login.keychain-db"
    assert str(store) == (
        f"    security add-trusted-cert -r trustRoot -p ssl -k {keychain} {authority.file}"
    )


def mkcerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    make_caroot(tmp_path / "caroot")
    monkeypatch.setenv("CAROOT", str(tmp_path / "caroot"))
    return find_authority()


def test_mkcert_installs_its_own_ca(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = mkcerts(tmp_path, monkeypatch)
    mkcert = tmp_path / "mkcert"
    mkcert.write_text("#!/bin/sh\n")
    mkcert.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    [store] = missing(authority, home)
    assert store.commands == (("mkcert", "-install"),)
    database = make_database(home / ".pki/nssdb")
    subprocess.run(stores.nss_command(str(database), authority), check=True)
    assert missing(authority, home) == []


def test_ca_of_mkcert_without_mkcert_is_added_by_certutil(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(missing(mkcerts(tmp_path, monkeypatch), home))
    assert missing(find_authority(), home) == []
