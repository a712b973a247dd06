"""`http-process-asgi`: an ASGI application, served over HTTPS and HTTP/3 by one command."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from httpprocessproxy import __version__
from httpprocessproxy.asgi.interface import Application
from httpprocessproxy.asgi.server import DEFAULT_PORT
from httpprocessproxy.asgi.trace import traced
from httpprocessproxy.config import Address
from httpprocessproxy.config.parser import Parser
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.frontends import needs
from httpprocessproxy.system.event_loop import run_on_new_loop, signalled

if TYPE_CHECKING:
    from httpprocessproxy.asgi.serving import ListenPlace

PROGRAM: Final = "http-process-asgi"
USAGE_EXIT: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal, and return the exit status: 128 + the signal's number, or 2."""
    try:
        line = _parser().parse_args(argv)
        logging.basicConfig(
            level=logging.INFO if line.debug else logging.WARNING, format="%(message)s"
        )
        with needs("it", "asgi"):
            from httpprocessproxy.asgi.loading import load
            from httpprocessproxy.asgi.serving import take_place
        # Like `python -m`: modules in the working directory can be imported.
        sys.path.insert(0, os.getcwd())
        application = load(line.application, is_factory=line.factory)
        place = take_place(Address(line.host, line.port), line.certfile, line.keyfile)
        return run_on_new_loop(_serve(traced(application) if line.debug else application, place))
    except UserError as error:
        _print(f"{PROGRAM}: {error}")
        return USAGE_EXIT


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description="Serves an ASGI application over HTTPS: HTTP/1.1, HTTP/2 and, on the same "
        "port over UDP, HTTP/3.",
        allow_abbrev=False,
    )
    parser.add_argument("application", metavar="MODULE:APP", help="for example shop.web:app")
    parser.add_argument(
        "--host", default="localhost", help="address to listen on (default: localhost)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"TCP and UDP port (default: {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--certfile", type=Path, help="certificate, PEM (default: issued by the local CA)"
    )
    parser.add_argument(
        "--keyfile", type=Path, help="private key, PEM (default: in the certificate's file)"
    )
    parser.add_argument(
        "--factory", action="store_true", help="APP is a function that returns the application"
    )
    parser.add_argument("--debug", action="store_true", help="log one line for each request")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


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
