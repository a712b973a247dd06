"""`http-process-asgi`: an ASGI application, served over HTTPS and HTTP/3 by one command."""

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from httpprocessproxy import __version__
from httpprocessproxy.asgi.interface import Application
from httpprocessproxy.asgi.server import DEFAULT_HOST, DEFAULT_PORT
from httpprocessproxy.asgi.trace import traced
from httpprocessproxy.config import Address, readers
from httpprocessproxy.config.forms import number, place, required, switch, text
from httpprocessproxy.config.parser import Table, defaults_of, made
from httpprocessproxy.frontends import needs
from httpprocessproxy.system.event_loop import run_on_new_loop, signalled
from httpprocessproxy.system.program import run_program

if TYPE_CHECKING:
    from httpprocessproxy.asgi.serving import ListenPlace

PROGRAM: Final = "http-process-asgi"


@dataclass(frozen=True, slots=True)
class AsgiOptions:
    """The options of the command line. Without `certfile`, the local CA issues a certificate."""

    application: str
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    certfile: Path | None = None
    keyfile: Path | None = None
    factory: bool = False
    debug: bool = False


OPTIONS = (
    required(place("application", "for example shop.web:app", metavar="MODULE:APP")),
    text("host", "HOST", "address to listen on"),
    number("port", "PORT", "TCP and UDP port", readers.port),
    text("certfile", "FILE", "certificate, PEM (default: issued by the local CA)", Path),
    text("keyfile", "FILE", "private key, PEM (default: in the certificate's file)", Path),
    switch("factory", "APP is a function that returns the application"),
    switch("debug", "log one line for each request"),
)

_TABLE = Table(
    PROGRAM,
    "Serves an ASGI application over HTTPS: HTTP/1.1, HTTP/2 and, on the same port\n"
    "over UDP, HTTP/3.",
    {"": OPTIONS},
    defaults_of(AsgiOptions),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal, and return the exit status: 128 + the signal's number, or 2."""
    return run_program(PROGRAM, _main, argv)


def _main(argv: Sequence[str]) -> int:
    """Raises UserError."""
    options = made(AsgiOptions, vars(_TABLE.parse(argv)))
    level = logging.INFO if options.debug else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s")
    with needs("it", "asgi"):
        from httpprocessproxy.asgi.loading import load
        from httpprocessproxy.asgi.serving import take_place
    # Like `python -m`: modules in the working directory can be imported.
    sys.path.insert(0, os.getcwd())
    application = load(options.application, is_factory=options.factory)
    place = take_place(Address(options.host, options.port), options.certfile, options.keyfile)
    return run_on_new_loop(_serve(traced(application) if options.debug else application, place))


async def _serve(application: Application, place: "ListenPlace") -> int:
    from httpprocessproxy.asgi.serving import serving

    ended = signalled()
    async with serving(application, place, _print) as has_http3:
        _print(_banner(place, has_http3=has_http3))
        return 128 + await ended


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _banner(place: "ListenPlace", *, has_http3: bool) -> str:
    """The lines printed at the start: version, URL, certificate, and how to use them."""
    from httpprocessproxy.frontends.tls.trust import chromium_command, trust_command

    address, identity = place.address, place.identity
    until = f"until {identity.expires:%Y-%m-%d}"
    lines = [f"{PROGRAM} {__version__}", f"  open         {address.url_of('https')}"]
    if identity.authority is None:
        lines.append(f"  certificate  {identity.certificate_file}, {until}")
    else:
        lines.append(f"  certificate  by {identity.authority.name}, {until}")
        if trust_command(identity.authority):
            lines.append("  trust it by  http-process-proxy --trust")
    if has_http3:
        lines.append(f"  HTTP/3 by    {chromium_command(address, identity.spki_hash)}")
    return "\n".join(lines)
