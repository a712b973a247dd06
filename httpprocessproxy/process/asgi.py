"""The command that serves an ASGI application (`--asgi`): uvicorn, in the proxy's interpreter."""

import importlib.util
import sys
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.ip import parsed_ip

# The source addresses of the proxy's connections to a backend on localhost.
_LOCAL: Final = ("127.0.0.1", "::1")


def asgi_command(
    application: str, address: Address, *, is_factory: bool, debug: bool, inherits: bool = False
) -> tuple[str, ...]:
    """Return the command that serves `MODULE:APP` on `address.host` and {port}, or on {fd}.

    Python looks for the module in the working directory first. uvicorn trusts the proxy's
    forwarded header fields, so the application sees the clients' addresses. Raises UserError
    without uvicorn.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise UserError("--asgi needs uvicorn: pip install 'http-process-proxy[asgi]'")
    place = ("--fd", "{fd}") if inherits else ("--host", address.host, "--port", "{port}")
    return (
        *(sys.executable, "-m", "uvicorn", application),
        *place,
        # The proxy logs the requests itself, and uvicorn's address would only mislead users.
        *("--log-level", "debug" if debug else "warning"),
        *("--proxy-headers", "--forwarded-allow-ips", ",".join(_peers(address.host))),
        *["--factory"] * is_factory,
    )


def _peers(host: str) -> list[str]:
    """The source addresses of connections to a backend at `host`: its own, on this machine."""
    address = parsed_ip(host)
    return [*dict.fromkeys((*_LOCAL, *([str(address)] if address is not None else [])))]
