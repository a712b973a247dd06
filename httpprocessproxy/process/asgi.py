"""The command that serves an ASGI application: uvicorn, by the Python that runs us."""

import importlib.util
import ipaddress
import sys
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError

# Where our own connections come from, to a backend on localhost.
_LOCAL: Final = ("127.0.0.1", "::1")


def asgi_command(
    application: str, address: Address, *, is_factory: bool, debug: bool, inherits: bool = False
) -> tuple[str, ...]:
    """The words that serve `MODULE:APP` at the host of `address` and at {port}, or at {fd}.

    The module is looked for in the working directory first. What the proxy says of clients is
    believed, so that the application sees theirs and not ours. Raises UserError without uvicorn.
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise UserError("--asgi needs uvicorn: pip install 'http-process-proxy[asgi]'")
    place = ("--fd", "{fd}") if inherits else ("--host", address.host, "--port", "{port}")
    return (
        *(sys.executable, "-m", "uvicorn", application),
        *place,
        # A line for each request is ours to write, and where it listens is nobody's business.
        *("--log-level", "debug" if debug else "warning"),
        *("--proxy-headers", "--forwarded-allow-ips", ",".join(_peers(address.host))),
        *["--factory"] * is_factory,
    )


def _peers(host: str) -> list[str]:
    """The addresses that we connect from to a backend at `host`: its own, on this machine."""
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        return [*_LOCAL]
    return [*dict.fromkeys((*_LOCAL, address))]
