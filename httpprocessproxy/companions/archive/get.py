"""`http-process-archive get OUT.zip /a /b https://...`: an archive at once, without a service.

Rule: OUT.zip is there only if it is whole. An item that cannot be had is told, is in the archive's
list of errors, and makes the exit status 1; with --strict, no archive is left of it.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.admin.client import NOBODY, ask, unverified
from httpprocessproxy.companions.archive.fetching import Fetching
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.archive.packing import BrokenError, Options, Packed, pack
from httpprocessproxy.companions.archive.progress import Bar, ProgressFetcher
from httpprocessproxy.companions.archive.saving import whole
from httpprocessproxy.companions.fetch_client import (
    FetchOrigin,
    OriginGuard,
    Outgoing,
    Refused,
    SiteAddress,
)
from httpprocessproxy.companions.fetch_client.origin import parse_url
from httpprocessproxy.config import Address
from httpprocessproxy.config.parser import Parser
from httpprocessproxy.config.resolving import resolve_bind
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import printable, size
from httpprocessproxy.system.event_loop import run_on_new_loop, until_signal

PROGRAM: Final = "http-process-archive get"

INCOMPLETE_EXIT: Final = 1

DESCRIPTION = """\
Writes what the URLs have now into one archive. A /path is of the site of the http-process-proxy
that runs in this folder, and waits while its server restarts. Redirects are followed within the
site and the hosts that are named here.
"""
EPILOG = """\
Exit status: 0 for a whole archive, 1 if something is missing in it or none could be written, 2 for
bad input, 4 if there is no proxy to ask, 128 + its number after a signal.
"""

_QUESTION_TIMEOUT_S: Final = 5.0


class _NoProxyError(Exception):
    """Nobody can tell us what a /path has; the text says who was asked."""


@dataclass(frozen=True, slots=True)
class _GetOptions:
    out: Path
    urls: tuple[str, ...]
    site: str | None
    allow: tuple[str, ...]
    is_strict: bool


def main(argv: Sequence[str]) -> int:
    """Do what the words behind `get` say, and return the exit status.

    Raises UserError, or SystemExit for --help.
    """
    line = _parser().parse_args(argv)
    wish = _GetOptions(line.out, tuple(line.urls), line.site, tuple(line.allow), line.strict)
    try:
        allowed, site = _allowed(wish), _site(wish)
        return run_on_new_loop(until_signal(_get(wish, OriginGuard(allowed), site)))
    except _NoProxyError as error:
        _complain(str(error))
        return NOBODY
    except BrokenError as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"cannot write {wish.out}: {error.strerror or error}")
    return INCOMPLETE_EXIT


async def _get(wish: _GetOptions, guard: OriginGuard, site: SiteAddress | None) -> int:
    """Raises UserError, BrokenError and OSError."""
    bar = Bar(sys.stderr, len(wish.urls))
    async with Outgoing(guard, site=site) as outgoing:
        for url in wish.urls:
            _check(outgoing, url)
        items = [Item(url) for url in wish.urls]
        with contextlib.ExitStack() as exits:
            file = exits.enter_context(whole(wish.out))
            exits.callback(bar.clear)

            async def write(data: bytes) -> None:
                file.write(data)

            fetcher = ProgressFetcher(Fetching(outgoing), bar)
            packed = await pack(items, fetcher, write, Options(strict=wish.is_strict))
            size_bytes = file.tell()
    return _tell(wish, packed, size_bytes)


def _tell(wish: _GetOptions, packed: Packed, size_bytes: int) -> int:
    """What has become of it, in words and as the exit status."""
    for error in packed.errors:
        _complain(error)
    count = f"{packed.members} of {len(wish.urls)} items"
    _write(f"{wish.out}: {count}, {size(size_bytes)}")
    return INCOMPLETE_EXIT if packed.errors else 0


def _check(outgoing: Outgoing, url: str) -> None:
    """Raise UserError for what need not be tried."""
    try:
        outgoing.permits(url)
    except Refused as error:
        raise UserError(f"{url}: {error}") from None


def _allowed(wish: _GetOptions) -> frozenset[FetchOrigin]:
    """The hosts of the URLs, since it is the user who named them. Raises UserError."""
    try:
        named = [FetchOrigin.of(parse_url(url)) for url in wish.urls if not url.startswith("/")]
        return frozenset((*named, *map(FetchOrigin.parse, wish.allow)))
    except ValueError as error:
        raise UserError(str(error)) from None


def _site(wish: _GetOptions) -> SiteAddress | None:
    """Where a /path leads. Raises UserError, and _NoProxyError if no proxy runs there."""
    if wish.site is not None and "://" in wish.site:
        try:
            return SiteAddress(FetchOrigin.parse(wish.site))
        except ValueError as error:
            raise UserError(f"--site: {error}") from None
    if wish.site is None and not any(url.startswith("/") for url in wish.urls):
        return None
    bind = _bind(wish)
    answer = ask("status", bind, _QUESTION_TIMEOUT_S)
    if answer.exit_status == NOBODY:
        raise _NoProxyError(answer.text)
    # A proxy with TLS sends us there.
    aliases = frozenset({FetchOrigin.parse(bind.url_of("https"))})
    return SiteAddress(FetchOrigin.parse(bind.url_of("http")), aliases=aliases, tls=unverified())


def _bind(wish: _GetOptions) -> Address:
    """Where the proxy listens: what --site says, or the file of this folder. Raises UserError."""
    if wish.site is not None:
        return Address.parse(wish.site)
    try:
        return resolve_bind(argparse.Namespace())
    except UserError as error:
        raise UserError(f"no site for a /path: {error}; or add --site URL") from None


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("out", metavar="OUT.zip", type=Path, help="the archive; one that is there is replaced")
    add("urls", metavar="URL", nargs="+", help="a /path of the site, or http(s)://...")
    add(
        "--site",
        metavar="URL",
        help="where a /path leads: http(s)://HOST[:PORT], or BIND of an http-process-proxy "
        "(default: BIND of the configuration file in this folder)",
    )
    add(
        "--allow",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="redirects may lead here, too; repeatable",
    )
    add("--strict", action="store_true", help="write no archive at all if an item fails")
    return parser


def _write(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def _complain(text: str) -> None:
    _write(f"http-process-archive: {text}")
