"""The frontends: HTTPS, HTTP/2 and HTTP/3 in front of the data plane (`--tls`, `--http3`).

`tls/` holds the certificates and the TCP listener, which passes HTTP/1.1 over TLS to the data
plane directly. `http2/` and `http3/` terminate their protocols and pass each request to a
`streams.Handler`: `stream_client.py` makes it a client of the data plane.
"""

import contextlib
from collections.abc import Iterator

from httpprocessproxy.core.errors import UserError


@contextlib.contextmanager
def needs(option: str, extra: str) -> Iterator[None]:
    """Raises UserError if an import of an optional dependency fails in the block.

    The message names `option`, the missing module and the `extra` that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name == "httpprocessproxy":
            raise
        raise UserError(
            f"{option} needs {name}: pip install 'http-process-proxy[{extra}]'"
        ) from error
