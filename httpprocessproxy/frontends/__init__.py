"""The front door: HTTPS, HTTP/2 and HTTP/3 in front of the core (`--tls`, `--http3`).

`certificates.py` and `trust.py` have the identity, `door.py` the TCP port, where HTTP/1.1 over
TLS goes to the data plane itself. `http2.py` and `http3.py` end their protocols, and hand each
request to a `streams.Handler`: `bridge.py` sends it to the core's private socket as HTTP/1.1.
"""

import contextlib
from collections.abc import Iterator

from httpprocessproxy.core.errors import UserError


@contextlib.contextmanager
def needs(option: str, extra: str) -> Iterator[None]:
    """Import inside what an option needs besides the plain install. Raises UserError."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name == "httpprocessproxy":
            raise
        raise UserError(
            f"{option} needs {name}: pip install 'http-process-proxy[{extra}]'"
        ) from error
