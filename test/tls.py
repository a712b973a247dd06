"""TLS at the test's end: certificates made for it, and a connection that knows how it ended."""

import ssl
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import trustme

from test.deadline import PATIENCE_S
from test.wire import Wire


def make_pair(
    folder: Path, name: str = "pair", *, begins: float = -2, days: float = 1
) -> tuple[Path, Path]:
    """Write a certificate for localhost that is valid between two days from now, and its key."""
    folder.mkdir(exist_ok=True, parents=True)
    now = datetime.now(UTC)
    begin, end = now + timedelta(days=begins), now + timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_before=begin, not_after=end)
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def trusting(ca: Path | None, *alpn: str) -> ssl.SSLContext:
    """A client's context; without a CA, it believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Else a connection that is cut would look like one that ended.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(ca)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def make_caroot(folder: Path) -> trustme.CA:
    """Write a CA as mkcert does."""
    folder.mkdir()
    ca = trustme.CA(key_type=trustme.KeyType.RSA)  # as mkcert's is
    ca.cert_pem.write_to_path(folder / "rootCA.pem")
    ca.private_key_pem.write_to_path(folder / "rootCA-key.pem")
    return ca


class StoppedClock:
    """Takes the place of `datetime` where a module asks for the time."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self, zone: tzinfo) -> datetime:
        return self._moment.astimezone(zone)


class TlsWire(Wire):
    """A connection over TLS. `was_cut` tells an end without close_notify (RFC 8446 6.1)."""

    was_cut = False

    @classmethod
    def over(cls, wire: Wire, context: ssl.SSLContext, name: str = "localhost") -> Self:
        """Shake hands on a connection that is there."""
        wire.socket.settimeout(PATIENCE_S)
        return cls(
            context.wrap_socket(wire.socket, server_hostname=name, suppress_ragged_eofs=False)
        )

    @classmethod
    def open(cls, port: int, context: ssl.SSLContext, name: str = "localhost") -> Self:
        return cls.over(Wire.connect(port), context, name)

    @property
    def tls(self) -> ssl.SSLSocket:
        assert isinstance(self.socket, ssl.SSLSocket)
        return self.socket

    def more(self) -> bool:
        try:
            return super().more()
        except ssl.SSLEOFError:
            self.was_cut = True
            return False
