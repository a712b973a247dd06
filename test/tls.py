"""TLS for tests: certificates, client contexts, and a connection that detects truncation."""

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
    """Write a certificate for localhost and its key; return the two files.

    The certificate is valid from `begins` to `days`, both in days from now.
    """
    folder.mkdir(exist_ok=True, parents=True)
    now = datetime.now(UTC)
    begin, end = now + timedelta(days=begins), now + timedelta(days=days)
    issued = trustme.CA().issue_cert("localhost", not_before=begin, not_after=end)
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def trusting(ca: Path | None, *alpn: str) -> ssl.SSLContext:
    """A client's context that trusts a CA; without a CA, it does not verify the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The option would make a truncated connection look like one that ended.
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
    """Write a CA in mkcert's format."""
    folder.mkdir()
    ca = trustme.CA(key_type=trustme.KeyType.RSA)  # mkcert's CA has an RSA key
    ca.cert_pem.write_to_path(folder / "rootCA.pem")
    ca.private_key_pem.write_to_path(folder / "rootCA-key.pem")
    return ca


class StoppedClock:
    """Replaces `datetime` in a module; `now` always returns the same moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self, zone: tzinfo) -> datetime:
        return self._moment.astimezone(zone)


class TlsWire(Wire):
    """A TLS connection; `was_cut` is True after an end without close_notify (RFC 8446 6.1)."""

    was_cut = False

    @classmethod
    def over(cls, wire: Wire, context: ssl.SSLContext, name: str = "localhost") -> Self:
        """Do the TLS handshake on an open connection."""
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
