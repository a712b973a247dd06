"""The trust stores of this machine, and the commands that add the local CA to them.

This module changes no store; `trust.py` runs the commands.
"""

import contextlib
import os
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from httpprocessproxy.frontends.tls.certificate_authority import Authority

Command = tuple[str, ...]

# The NSS databases of the user's browsers: glob patterns below the home folder.
_NSS: Final = (
    *(".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb"),
    *(".mozilla/firefox/*", ".config/mozilla/firefox/*", "snap/firefox/common/.mozilla/firefox/*"),
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
)
_CHROMIUM: Final = ".pki/nssdb"

# Folders of the system's trust anchors, the suffix of their files, and the update command.
_SYSTEMS: Final = (
    ("/usr/local/share/ca-certificates", "crt", ("update-ca-certificates",)),
    ("/etc/pki/ca-trust/source/anchors", "pem", ("update-ca-trust", "extract")),
    ("/etc/ca-certificates/trust-source/anchors", "pem", ("update-ca-trust",)),
)

MACOS_KEYCHAIN: Final = "Library/Keychains/login.keychain-db"


@dataclass(frozen=True, slots=True)
class Store:
    """A trust store without the CA: the programs that use it, and the commands that add the CA."""

    owner: str
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        return "\n".join(f"    {shlex.join(command)}" for command in self.commands)


def missing(authority: Authority, home: Path) -> list[Store]:
    """The stores of this machine that do not have the CA."""
    if not authority.is_ours:
        return _mkcert(authority, home)
    if sys.platform == "darwin":
        return [_macos(authority, home)]
    return [*_browsers(authority, home), *_system(authority)]


def in_nss(folder: Path, authority: Authority) -> bool:
    """Whether an NSS database has the CA's certificate (column a11 is CKA_VALUE)."""
    file = folder / "cert9.db"
    if not file.exists():
        return False
    value = authority.certificate.public_bytes(Encoding.DER)
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT 1 FROM nssPublic WHERE a11 = ?", (value,))
            return found.fetchone() is not None
    except sqlite3.Error:
        return False


def nss_command(folder: str, authority: Authority) -> Command:
    name, file = authority.name, str(authority.file)
    return ("certutil", "-d", f"sql:{folder}", "-A", "-t", "C,,", "-n", name, "-i", file)


def _mkcert(authority: Authority, home: Path) -> list[Store]:
    """The stores for mkcert's CA: mkcert itself adds it, unless Chromium trusts it already."""
    if shutil.which("mkcert") is None:
        return [*_browsers(authority, home), *_system(authority)]
    if sys.platform != "darwin" and in_nss(home / _CHROMIUM, authority):
        return []
    return [Store("browsers and the system", (("mkcert", "-install"),))]


def _macos(authority: Authority, home: Path) -> Store:
    keychain = str(home / MACOS_KEYCHAIN)
    options = ("-r", "trustRoot", "-p", "ssl", "-k", keychain)
    command = ("security", "add-trusted-cert", *options, str(authority.file))
    return Store("browsers and the system, by your login keychain", (command,))


def _browsers(authority: Authority, home: Path) -> Iterator[Store]:
    # Chromium also reads a database that was made before its first start.
    folders = [home / _CHROMIUM]
    for pattern in _NSS:
        folders += [file.parent for file in sorted(home.glob(f"{pattern}/cert9.db"))]
    for folder in folders:
        if not in_nss(folder, authority):
            yield Store(_owner(folder), (*_creation(folder), nss_command(str(folder), authority)))


def _owner(folder: Path) -> str:
    is_firefox = "firefox" in str(folder).lower()
    return f"Firefox, profile {folder.name}" if is_firefox else "Chromium, Chrome, Edge and others"


def _creation(folder: Path) -> Sequence[Command]:
    """The commands that create an NSS database, unless it exists."""
    if (folder / "cert9.db").exists():
        return ()
    make = ("certutil", "-d", f"sql:{folder}", "-N", "--empty-password")
    return (("mkdir", "-p", str(folder)), make)


def _system(authority: Authority) -> Iterator[Store]:
    for folder, suffix, update in _SYSTEMS:
        if Path(folder).is_dir() and shutil.which(update[0]):
            target = Path(folder) / f"http-process-proxy-{authority.short_name}.{suffix}"
            if not target.exists():
                install = ("install", "-m", "644", str(authority.file), str(target))
                yield Store("curl and other programs", (_as_root(install), _as_root(update)))
            return


def _as_root(command: Command) -> Command:
    return command if os.geteuid() == 0 else ("sudo", *command)
