"""The token file: the hosts, and the token of each host's workers.

A line is `NAME TOKEN` or `NAME sha256:HEX`; `#` begins a comment. NAME is a subdomain of the
relay's domain, or, with a dot in it, a full host name.

The rule: only hashes of tokens are kept in memory, a token is never printed or sent, and the time
of a comparison reveals neither the token nor whether the host exists.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path
from typing import Final

from httpprocessproxy.config.readers import file_text
from httpprocessproxy.core.errors import UserError

_LINE: Final = re.compile(r"(?P<name>\S+)\s+(?P<token>\S+)")
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_-]{1,63})*")
_HASHED: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"[!-~]+")

_log = logging.getLogger(__name__)


class Tokens:
    """The content of the file, reloaded when the file changes."""

    def __init__(self, path: Path, domain: str) -> None:
        """Read the file. Raises UserError."""
        self._path = path
        self._domain = domain
        self._stamp = self._stat()
        self._hashes = self._read()
        # Compared with the token of a host that does not exist.
        self._unknown_host_hash = secrets.token_bytes(32)

    def knows(self, host: str) -> bool:
        return host in self._hashes

    def full_name(self, name: str) -> str:
        """The host of a worker's name: a name without a dot is a subdomain."""
        # The protocol's first worker sends the authority of its URL, with the port, as its host.
        name = name.lower().partition(":")[0].removesuffix(".")
        return name if "." in name else f"{name}.{self._domain}"

    def fits(self, host: str, token: str) -> bool:
        """Whether `token` is the token of the host."""
        expected = self._hashes.get(host, self._unknown_host_hash)
        return hmac.compare_digest(_hash(token), expected)

    def refresh(self) -> bool:
        """Reload the file if it has changed, and return whether the tokens have changed.

        If the file cannot be read, log that once, and keep the previous tokens.
        """
        stamp = self._stat()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            hashes = self._read()
        except UserError as error:
            _log.error("%s; keeping the previous tokens", error)
            return False
        is_changed, self._hashes = hashes != self._hashes, hashes
        if is_changed:
            _log.info("%s: %d hosts", self._path, len(hashes))
        return is_changed

    def _stat(self) -> tuple[int, int, int] | None:
        """The modification time, size and inode of the file; None without a file."""
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> dict[str, bytes]:
        hashes: dict[str, bytes] = {}
        for number, line in enumerate(file_text(self._path).splitlines(), 1):
            try:
                self._read_line(line.partition("#")[0].strip(), hashes)
            except ValueError as error:
                raise UserError(f"{self._path}, line {number}: {error}") from None
        return hashes

    def _read_line(self, line: str, hashes: dict[str, bytes]) -> None:
        """Add the entry of a line. Raises ValueError; its text does not contain the token."""
        if not line:
            return
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("write NAME TOKEN, or NAME sha256:HEX")
        if not _NAME.fullmatch(match["name"].lower()):
            raise ValueError("NAME is not a host name")
        host = self.full_name(match["name"])
        if host in hashes or host == self._domain:
            raise ValueError(f"{host} is already taken")
        hashes[host] = _hash_of(match["token"])


def _hash_of(token: str) -> bytes:
    hashed = _HASHED.fullmatch(token)
    if hashed is not None:
        return bytes.fromhex(hashed["hex"])
    if token.lower().startswith("sha256:"):
        raise ValueError("sha256: takes 64 hexadecimal digits")
    if not _VISIBLE.fullmatch(token):
        raise ValueError("TOKEN must consist of visible ASCII characters")
    return _hash(token)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
