"""`http-process-archive get OUT.zip /a /b https://...`: writes an archive without a service.

Rule: OUT.zip exists only when it is complete. An item that cannot be fetched is printed, listed in
the archive's member of errors, and makes the exit status 1; with --strict, no archive is written.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.admin.client import NO_ANSWER, ask, unverified
from httpprocessproxy.companions.archive import PROGRAM
from httpprocessproxy.companions.archive.fetching import Fetching
from httpprocessproxy.companions.archive.origins import Item
from httpprocessproxy.companions.archive.packing import BrokenError, Options, Packed, pack
from httpprocessproxy.companions.archive.progress import Bar, ProgressFetcher
from httpprocessproxy.companions.archive.saving import write_atomically
from httpprocessproxy.companions.fetch_client import (
    FetchOrigin,
    OriginGuard,
    Outgoing,
    Refused,
    SiteAddress,
    read_origin,
)
from httpprocessproxy.companions.fetch_client.origin import parse_url
from httpprocessproxy.config import Address
from httpprocessproxy.config.forms import Kind, Option, place, required, switch, text, values
from httpprocessproxy.config.parser import Table, defaults_of, made
from httpprocessproxy.config.resolving import resolve_bind
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import printable, size
from httpprocessproxy.system.event_loop import run_on_new_loop, until_signal
from httpprocessproxy.system.program import complain

INCOMPLETE_EXIT: Final = 1

DESCRIPTION = """\
Writes the responses of the URLs into one ZIP archive. A /path belongs to the site of the
http-process-proxy that runs in this folder, and waits while its server restarts. Redirects are
followed within the site and the hosts named here.
"""
EPILOG = """\
Exit status: 0 for a complete archive, 1 if an item is missing or no archive could be written, 2
for bad input, 4 if no proxy runs, 128 + its number after a signal.
"""

_STATUS_TIMEOUT_S: Final = 5.0


class _NoProxyError(Exception):
    """No proxy answers for a /path; the text names the address."""


@dataclass(frozen=True, slots=True)
class _GetOptions:
    out: Path
    urls: tuple[str, ...]
    site: str = ""
    allow: tuple[FetchOrigin, ...] = ()
    strict: bool = False


_OPTIONS: Final = (
    required(place("out", "the archive; an existing file is replaced", Path, metavar="OUT.zip")),
    Option(Kind.PLACES, "urls", "urls", "URL", "a /path of the site, or http(s)://..."),
    text(
        "site",
        "URL",
        "the site of a /path: http(s)://HOST[:PORT], or BIND of an http-process-proxy (default: "
        "BIND of the configuration file in this folder)",
    ),
    values("allow", "ORIGIN", "allow redirects to this origin as well; repeatable", read_origin),
    switch("strict", "write no archive if an item fails"),
)

_TABLE: Final = Table(
    f"{PROGRAM} get", DESCRIPTION, {"": _OPTIONS}, defaults_of(_GetOptions), EPILOG
)


def main(argv: Sequence[str]) -> int:
    """Run `get` with these arguments, and return the exit status.

    Raises UserError, or SystemExit for --help.
    """
    options = made(_GetOptions, vars(_TABLE.parse(argv)))
    try:
        allowed, site = _allowed(options), _site(options)
        return run_on_new_loop(until_signal(_get(options, OriginGuard(allowed), site)))
    except _NoProxyError as error:
        return complain(PROGRAM, str(error), NO_ANSWER)
    except BrokenError as error:
        return complain(PROGRAM, str(error), INCOMPLETE_EXIT)
    except OSError as error:
        why = error.strerror or error
        return complain(PROGRAM, f"cannot write {options.out}: {why}", INCOMPLETE_EXIT)


async def _get(options: _GetOptions, guard: OriginGuard, site: SiteAddress | None) -> int:
    """Raises UserError, BrokenError and OSError."""
    bar = Bar(sys.stderr, len(options.urls))
    async with Outgoing(guard, site=site) as outgoing:
        for url in options.urls:
            _check(outgoing, url)
        items = [Item(url) for url in options.urls]
        with contextlib.ExitStack() as exits:
            file = exits.enter_context(write_atomically(options.out))
            exits.callback(bar.clear)

            async def write(data: bytes) -> None:
                file.write(data)

            fetcher = ProgressFetcher(Fetching(outgoing), bar)
            packed = await pack(items, fetcher, write, Options(strict=options.strict))
            size_bytes = file.tell()
    return _report(options, packed, size_bytes)


def _report(options: _GetOptions, packed: Packed, size_bytes: int) -> int:
    """Print the result, and return the exit status."""
    for error in packed.errors:
        complain(PROGRAM, error)
    count = f"{packed.members} of {len(options.urls)} items"
    sys.stderr.write(f"{printable(f'{options.out}: {count}, {size(size_bytes)}')}\n")
    return INCOMPLETE_EXIT if packed.errors else 0


def _check(outgoing: Outgoing, url: str) -> None:
    """Check a URL before any request. Raises UserError."""
    try:
        outgoing.permits(url)
    except Refused as error:
        raise UserError(f"{url}: {error}") from None


def _allowed(options: _GetOptions) -> frozenset[FetchOrigin]:
    """The origins of the URLs, all named by the user, and those of --allow. Raises UserError."""
    try:
        named = [FetchOrigin.of(parse_url(url)) for url in options.urls if not url.startswith("/")]
    except ValueError as error:
        raise UserError(str(error)) from None
    return frozenset((*named, *options.allow))


def _site(options: _GetOptions) -> SiteAddress | None:
    """The site of a /path. Raises UserError, and _NoProxyError if no proxy runs there."""
    if "://" in options.site:
        try:
            return SiteAddress(read_origin(options.site))
        except UserError as error:
            raise UserError(f"--site: {error}") from None
    if not options.site and not any(url.startswith("/") for url in options.urls):
        return None
    bind = _bind(options)
    answer = ask("status", bind, _STATUS_TIMEOUT_S)
    if answer.exit_status == NO_ANSWER:
        raise _NoProxyError(answer.text)
    # A proxy with TLS redirects http to https.
    aliases = frozenset({FetchOrigin.parse(bind.url_of("https"))})
    return SiteAddress(FetchOrigin.parse(bind.url_of("http")), aliases=aliases, tls=unverified())


def _bind(options: _GetOptions) -> Address:
    """The proxy's address, from --site or this folder's configuration file. Raises UserError."""
    if options.site:
        return Address.parse(options.site)
    try:
        return resolve_bind(argparse.Namespace())
    except UserError as error:
        raise UserError(f"no site for a /path: {error}; or add --site URL") from None
