"""The program with `--tls`, and its clients, which trust only its CA."""

import contextlib
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from test.harness import Proxy
from test.tls import TlsWire, trusting
from test.wire import Wire

ELSEWHERE = "127.0.0.2"


class HttpsProxy(Proxy):
    """The running program, with a private home folder, and so with its own CA."""

    def __init__(
        self,
        project: Path,
        command: Sequence[str],
        *options: str,
        watcher: str = "embedded",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = project.parent / "home"
        self.home.mkdir(exist_ok=True)
        own = {"HOME": str(self.home), "XDG_DATA_HOME": "", "CAROOT": "", **(environment or {})}
        super().__init__(project, command, "--tls", *options, watcher=watcher, environment=own)

    @property
    def ca(self) -> Path:
        return self.home / ".local/share/http-process-proxy/tls/ca/ca.pem"

    def context(self, *alpn: str) -> ssl.SSLContext:
        """A client's context that trusts the CA of this proxy."""
        return trusting(self.ca, *alpn)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def connect(self) -> Wire:
        return TlsWire.open(self.port, self.context(), "127.0.0.1")


class ElsewhereProxy(HttpsProxy):
    """The program on an address to which `hpp.localhost` does not resolve."""

    def __init__(
        self, project: Path, command: Sequence[str], *options: str, watcher: str = "embedded"
    ) -> None:
        super().__init__(project, command, *options, watcher=watcher)
        self.arguments[3] = f"{ELSEWHERE}:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{ELSEWHERE}:{self.port}"

    def connect(self) -> Wire:
        return TlsWire.over(Wire.connect(self.port, ELSEWHERE), self.context(), ELSEWHERE)

    def _accepts(self) -> bool:
        assert self.process.poll() is None, f"ended at once: {self.last_output}"
        with contextlib.suppress(ConnectionRefusedError), Wire.connect(self.port, ELSEWHERE):
            return True
        return False
