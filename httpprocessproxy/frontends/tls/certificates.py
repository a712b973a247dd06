"""Who we are to browsers: a certificate and its key, kept up to date while connections go on.

The rule: what is new is loaded beside what is in use, and takes its place only if it is good. So
no connection fails, whatever is done to the files, and in whatever order.
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

# Two stat calls each time.
LOOK_S: Final = 2.0

Stamp = Sequence[tuple[int, int, int]]


class Identity:
    """A pair of files and what has been read of them."""

    # Who has signed it, if that is for us to know.
    authority: Authority | None = None
    # The hosts that it should be for as well, and cannot.
    uncovered: Sequence[str] = ()

    def __init__(self, certificate_file: Path, key_file: Path) -> None:
        """Raises UserError."""
        self.certificate_file = certificate_file
        self.key_file = key_file
        self._callbacks: list[Callable[[], None]] = []
        self._guests: SniCertificates | None = None
        self._stamp = self._present_stamp()
        self._tried: tuple[Stamp, str] | None = None  # what went wrong at the last look
        self._told: tuple[Stamp, str] | None = None
        self._has_ended = False
        self._pair = self._read()

    def context(self) -> ssl.SSLContext:
        """The context for the next connection: TLS 1.2 or later, ALPN h2 and http/1.1."""
        return self._pair.context

    @property
    def spki_hash(self) -> str:
        """SHA-256 of the public key, in base64, for Chromium's options."""
        return self._pair.spki_hash

    @property
    def expires(self) -> datetime:
        return self._pair.certificate.not_valid_after_utc

    def covers(self, name: str) -> bool:
        """Whether the certificate is for a DNS name, as browsers see it: `*.localhost` is not
        for a name below `localhost`, since a star wants two labels behind it."""
        extensions = self._pair.certificate.extensions
        try:
            names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return False
        return name in [one.lower() for one in names.get_values_for_type(x509.DNSName)]

    def on_reload(self, callback: Callable[[], None]) -> None:
        """Call it whenever the files have been replaced by others that are good."""
        self._callbacks.append(callback)

    @contextlib.contextmanager
    def watching(self, say: Callable[[str], None]) -> Iterator[None]:
        """Look at the files every few seconds, and tell what is wrong with them."""
        loop = asyncio.get_running_loop()

        timer: asyncio.TimerHandle

        def look_later() -> None:
            nonlocal timer
            timer = loop.call_later(LOOK_S, look)

        def look() -> None:
            self.look(say)
            look_later()

        look_later()
        try:
            yield
        finally:
            timer.cancel()

    def look(self, say: Callable[[str], None]) -> None:
        """Load the files if they have changed. What is wrong with them is told once."""
        try:
            self._renew()
            stamp = self._present_stamp()
            if stamp == self._stamp:
                self._tell_of_end(say)
                return
            self._pair = self._read()
        except UserError as error:
            self._complain(error, say)
            return
        self._stamp = stamp
        self._has_ended = False
        for callback in self._callbacks:
            callback()

    def _read(self) -> Pair:
        return read_pair(self.certificate_file, self.key_file)

    def _renew(self) -> None:
        """Make other files if these will not hold."""

    def _present_stamp(self) -> Stamp:
        return [_stamp(file) for file in (self.certificate_file, self.key_file)]

    def _complain(self, error: UserError, say: Callable[[str], None]) -> None:
        """Tell of what is still wrong at a second look: writing two files takes a moment."""
        problem = self._present_stamp(), str(error)
        if problem == self._tried and problem != self._told:
            self._told = problem
            say(f"{error}; going on with the certificate from before")
        self._tried = problem

    def _tell_of_end(self, say: Callable[[str], None]) -> None:
        if not self._has_ended and self.expires <= datetime.now(UTC):
            self._has_ended = True
            say(f"the certificate {self.certificate_file} has expired: put another in its place")


class LocalIdentity(Identity):
    """An identity that we sign ourselves, for the hosts that `hosts` returns at the time."""

    def __init__(
        self, authority: Authority, hosts: Callable[[], Sequence[str]], rule: HostRule
    ) -> None:
        """`rule` says for which names clients may ask besides. Raises UserError."""
        self._hosts = hosts
        self._names, self.uncovered = authority.permitted(hosts())
        folder = leaf_folder(authority, self._names)
        self._rule = rule
        self._signer = self.authority = authority
        super().__init__(folder / CERTIFICATE, folder / KEY)

    def _read(self) -> Pair:
        pair = super()._read()
        SniCertificates(self._signer, self.key_file.parent, self._rule.allows).attend(pair)
        return pair

    def _renew(self) -> None:
        names, self.uncovered = self._signer.permitted(self._hosts())
        if names == self._names and not is_due(self._pair.certificate, self._signer):
            return
        folder = leaf_folder(self._signer, names)
        self._names = names
        self.certificate_file, self.key_file = folder / CERTIFICATE, folder / KEY


def open_identity(config: Config, rule: HostRule) -> Identity:
    """The identity that the options ask for. Raises UserError."""
    if config.tls_cert is not None:
        return Identity(config.tls_cert, config.tls_key or config.tls_cert)
    return LocalIdentity(
        find_authority(), lambda: hosts_of(config.bind, config.allowed_hosts), rule
    )


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        about = file.stat()
    except OSError:
        return 0, 0, 0  # gone for now; reading it says why
    return about.st_mtime_ns, about.st_ino, about.st_size
