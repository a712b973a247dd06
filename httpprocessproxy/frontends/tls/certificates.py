"""The proxy's identity, a certificate and its key, reloaded while the proxy runs.

The rule: changed files are loaded beside the pair in use, and replace it only if they are good. So
no connection fails, in whatever order the files are changed.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from httpprocessproxy.config import Config
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.frontends.tls.certificate_authority import Authority, find_authority
from httpprocessproxy.frontends.tls.key_pair import Pair, read_pair
from httpprocessproxy.frontends.tls.leaf_certificates import (
    CERTIFICATE,
    KEY,
    SniCertificates,
    is_due,
    leaf_folder,
)
from httpprocessproxy.frontends.tls.names import hosts_of

# Each look costs two stat calls.
LOOK_S: Final = 2.0

Stamp = Sequence[tuple[int, int, int]]


class Identity:
    """A certificate and its key in two files, and the pair that was loaded from them."""

    # The CA that signs the certificate, if the proxy signs it.
    authority: Authority | None = None
    # The hosts of the proxy that the CA may not sign.
    uncovered: Sequence[str] = ()

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        """Raises UserError."""
        self.certificate_file = certificate_file
        self.key_file = key_file
        self._callbacks: list[Callable[[], None]] = []
        self._stamp = self._present_stamp()
        self._last_problem: tuple[Stamp, str] | None = None
        self._reported_problem: tuple[Stamp, str] | None = None
        self._has_reported_expiry = False
        self._pair = self._read()

    def context(self) -> ssl.SSLContext:
        """The context for the next connection: TLS 1.2 or later, ALPN h2 and http/1.1."""
        return self._pair.context

    @property
    def spki_hash(self) -> str:
        """The SHA-256 of the public key, in base64, for Chromium's options."""
        return self._pair.spki_hash

    @property
    def expires(self) -> datetime:
        return self._pair.certificate.not_valid_after_utc

    def covers(self, name: str) -> bool:
        """Whether browsers accept the certificate for a DNS name.

        `*.localhost` does not cover a name below `localhost`: a wildcard needs two labels after it.
        """
        extensions = self._pair.certificate.extensions
        try:
            names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        return name in [one.lower() for one in names.get_values_for_type(x509.DNSName)]

    def on_reload(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each reload of changed files."""
        self._callbacks.append(callback)

    @contextlib.contextmanager
    def watching(self, report: Callable[[str], None]) -> Iterator[None]:
        """Call `look` every LOOK_S seconds while the context is open."""
        loop = asyncio.get_running_loop()

        timer: asyncio.TimerHandle

        def look_later() -> None:
            nonlocal timer
            timer = loop.call_later(LOOK_S, look)

        def look() -> None:
            self.look(report)
            look_later()

        look_later()
        try:
            yield
        finally:
            timer.cancel()

    def look(self, report: Callable[[str], None]) -> None:
        """Load the files if they have changed; pass each problem to `report`, once."""
        try:
            self._renew()
            stamp = self._present_stamp()
            if stamp == self._stamp:
                self._report_expiry(report)
                return
            self._pair = self._read()
        except UserError as error:
            self._report_problem(error, report)
            return
        self._stamp = stamp
        self._has_reported_expiry = False
        for callback in self._callbacks:
            callback()

    def _read(self) -> Pair:
        return read_pair(self.certificate_file, self.key_file)

    def _renew(self) -> None:
        """Make new files if the present ones expire soon, or lack a name. Overridden."""

    def _present_stamp(self) -> Stamp:
        return [_stamp(file) for file in (self.certificate_file, self.key_file)]

    def _report_problem(self, error: UserError, report: Callable[[str], None]) -> None:
        """Report a problem that persists at the second look.

        Two files cannot be replaced at once, so the first look may find half of a new pair.
        """
        problem = self._present_stamp(), str(error)
        if problem == self._last_problem and problem != self._reported_problem:
            self._reported_problem = problem
            report(f"{error}; going on with the certificate from before")
        self._last_problem = problem

    def _report_expiry(self, report: Callable[[str], None]) -> None:
        if not self._has_reported_expiry and self.expires <= datetime.now(UTC):
            self._has_reported_expiry = True
            report(f"the certificate {self.certificate_file} has expired: put another in its place")


class LocalIdentity(Identity):
    """An identity signed by the local CA, for the hosts that `hosts()` returns at each look."""

    def __init__(
        self, authority: Authority, hosts: Callable[[], Sequence[str]], rule: HostRule
    ) -> None:
        """`rule` allows further names, which clients may request by SNI. Raises UserError."""
        self._hosts = hosts
        self._names, self.uncovered = authority.permitted(hosts())
        folder = leaf_folder(authority, self._names)
        self._rule = rule
        self._signer = self.authority = authority
        super().__init__(folder / CERTIFICATE, folder / KEY)

    def _read(self) -> Pair:
        pair = super()._read()
        SniCertificates(self._signer, self.key_file.parent, self._rule.allows).install(pair)
        return pair

    def _renew(self) -> None:
        names, self.uncovered = self._signer.permitted(self._hosts())
        if names == self._names and not is_due(self._pair.certificate, self._signer):
            return
        folder = leaf_folder(self._signer, names)
        self._names = names
        self.certificate_file, self.key_file = folder / CERTIFICATE, folder / KEY


def open_identity(config: Config, rule: HostRule) -> Identity:
    """Open the identity for the options --tls-cert and --tls-key. Raises UserError."""
    if config.tls.cert is not None:
        return Identity(config.tls.cert, config.tls.key or config.tls.cert)
    listen = config.listen
    return LocalIdentity(
        find_authority(), lambda: hosts_of(listen.bind, listen.allowed_hosts), rule
    )


def _stamp(file: Path) -> tuple[int, int, int]:
    """The file's (mtime in ns, inode, size), which changes with its content."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0, 0  # missing for now; reading the file reports the reason
    return status.st_mtime_ns, status.st_ino, status.st_size
