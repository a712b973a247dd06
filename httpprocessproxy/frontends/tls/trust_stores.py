"""Where programs of this machine look up whom they trust, and whether our CA is there.

Nothing here changes a store: it says what would.
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

# What a browser of the user's has of its own: below the home, with * for names.
_NSS: Final = (
    *(".local/share/pki/nssdb", "snap/chromium/current/.pki/nssdb"),
    *(".mozilla/firefox/*", ".config/mozilla/firefox/*", "snap/firefox/common/.mozilla/firefox/*"),
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
)
_CHROMIUM: Final = ".pki/nssdb"

# Folders of the system's anchors, what they are called there, and what reads them in.
_SYSTEMS: Final = (
    ("/usr/local/share/ca-certificates", "crt", ("update-ca-certificates",)),
    ("/etc/pki/ca-trust/source/anchors", "pem", ("update-ca-trust", "extract")),
    ("/etc/ca-certificates/trust-source/anchors", "pem", ("update-ca-trust",)),
)

MACOS_KEYCHAIN: Final = "Library/Keychains/login.keychain-db"


@dataclass(frozen=True, slots=True)
class Store:
    """One that does not have our CA: whose it is, and what puts it in."""

    whose: str
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        return "\n".join(f"    {shlex.join(command)}" for command in self.commands)


def missing(authority: Authority, home: Path) -> list[Store]:
    """The stores of this machine that our CA is missing in."""
    if not authority.is_ours:
        return _mkcert(authority, home)
    if sys.platform == "darwin":
        return [_macos(authority, home)]
    return [*_browsers(authority, home), *_system(authority)]


def in_nss(folder: Path, authority: Authority) -> bool:
    """Whether the database there has this certificate (CKA_VALUE is the column a11)."""
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
    """mkcert knows its way; it is asked unless Chromium trusts it already."""
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
    # Chromium reads this one even if it was made before its first start.
    folders = [home / _CHROMIUM]
    for pattern in _NSS:
        folders += [file.parent for file in sorted(home.glob(f"{pattern}/cert9.db"))]
    for folder in folders:
        if not in_nss(folder, authority):
            yield Store(_whose(folder), (*_making(folder), nss_command(str(folder), authority)))


def _whose(folder: Path) -> str:
    is_firefox = "firefox" in str(folder).lower()
    return f"Firefox, profile {folder.name}" if is_firefox else "Chromium, Chrome, Edge and others"


def _making(folder: Path) -> Sequence[Command]:
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
