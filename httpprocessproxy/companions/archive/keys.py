"""The options of the service: the command line, and the keys of its file and environment.

Keys are compatible with the service that this one replaces. Some of its keys have no effect here;
they are accepted, so that its configuration works.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from httpprocessproxy.companions.archive.service.signing import ALGORITHMS
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.companions.fetch_client import read_origin
from httpprocessproxy.config import readers
from httpprocessproxy.config.forms import Option, number, seconds, size, switch, text, words
from httpprocessproxy.core.errors import UserError


def table(text: str) -> Mapping[str, object]:
    try:
        value: object = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"not an object in JSON: {text[:100]!r}")
    return value


def level(text: str) -> str:
    return readers.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")(text.upper())


def key(option: Option) -> str:
    """The key of an option in a file; in the environment, it may have the prefix FPX_."""
    return _OTHER_KEYS.get(option.name, option.name.upper().replace("-", "_"))


DB_URL: Final = text("db-url", "URL", "sqlite:///PATH or postgresql://USER@HOST/NAME")

OPTIONS: Final = (
    text("host", "HOST", "address to listen on"),
    number("port", "PORT", "port to listen on; 0 selects a free one", readers.port),
    switch("debug", "log at level DEBUG"),
    text("log-level", "LEVEL", "minimum level of log messages", level),
    DB_URL,
    text("db-extras", "JSON", "further arguments of SQLAlchemy's engine", table),
    words(
        "allow", "ORIGIN", "an origin from which items may be fetched", read_origin, field="allowed"
    ),
    words("cors-origins", "ORIGINS", "origins that may read responses; *: any"),
    text("jwt-algorithm", "NAME", "the algorithm of signed URLs", readers.one_of(*ALGORITHMS)),
    switch("queue", "make tickets wait in a queue", field="no_queue", value=False),
    number(
        "simultaneous",
        "N",
        "maximum number of simultaneous downloads with --queue",
        readers.count,
    ),
    switch("strict", "abort an archive that lacks an item"),
    number(
        "downloads-per-client",
        "N",
        "maximum number of simultaneous downloads of a client; 429 above",
        readers.count,
    ),
    number("max-items", "N", "maximum number of items of a ticket", readers.count),
    size("max-json", "maximum size of a ticket's JSON; 413 above"),
    size("item-size", "maximum size of an item", field="item_bytes"),
    size("total-size", "maximum size of all items of a ticket", field="total_bytes"),
    seconds("ticket-ttl", "lifetime of an unused ticket"),
    seconds("wait-time", "timeout for a wait in the queue", field="wait_s"),
    seconds("stall-time", "timeout for a client that does not read", field="stall_s"),
    seconds("item-time", "timeout for an item", field="item_s"),
    seconds("total-time", "timeout for a download", field="total_s"),
    seconds("idle-time", "timeout for an origin that sends no data", field="idle_s"),
    seconds("connect-time", "timeout for connecting to an origin", field="connect_s"),
)

_OTHER_KEYS: Final = {
    "log-level": "FPX_LOG_LEVEL",
    "queue": "FPX_NO_QUEUE",
    "simultaneous": "SIMULTANEOURS_DOWNLOADS_LIMIT",
}

# Keys without effect.
IGNORED: Final[Mapping[str, Callable[[str], object]]] = {
    "FPX_TRANSPORT": readers.one_of("aiohttp", "httpx"),
    "FPX_PIPE_SILLY_STREAM": readers.boolean,
    "KEEP_ALIVE": readers.boolean,
    "FALLBACK_ERROR_FORMAT": str,
}

# Many shells set these variables for other purposes, so they need the prefix.
PREFIXED: Final = ("HOST", "DEBUG")

_USUAL: Final = asdict(ArchiveSettings())
DEFAULTS: Final[Mapping[str, object]] = {
    **_USUAL,
    **_USUAL["rules"],
    **_USUAL["rules"]["limits"],
}
