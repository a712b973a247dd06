"""The keys of the configuration: one table for the file, the environment and the command line.

Names are compatible with the service that this one replaces, with additional keys for new
settings. Some of its keys have no effect here; they are accepted, so that its configuration works.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.archive.service.signing import ALGORITHMS
from httpprocessproxy.companions.fetch_client import FetchOrigin
from httpprocessproxy.config import readers
from httpprocessproxy.core.errors import UserError

_TRUE = ("1", "true", "yes", "on", "y", "t")
_FALSE = ("0", "false", "no", "off", "n", "f", "")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the configuration.

    `field` is the attribute in `ArchiveSettings` or its parts, empty for a key without effect.
    `flag`: the option takes no argument, and sets this value. `is_plain`: the environment variable
    may lack the prefix; HOST and DEBUG need it, as many shells set them for other purposes.
    """

    name: str
    field: str
    read: Callable[[str], object]
    help: str = ""
    metavar: str = "N"
    option: str = ""
    flag: str = ""
    is_plain: bool = True


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise UserError(f"not true or false: {text[:100]!r}")


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def origins(text: str) -> tuple[FetchOrigin, ...]:
    try:
        return tuple(FetchOrigin.parse(word) for word in words(text))
    except ValueError as error:
        raise UserError(str(error)) from None


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


def _seconds(name: str, field: str, about: str) -> Key:
    return Key(name, field, readers.seconds, about, "S")


def _bytes(name: str, field: str, about: str) -> Key:
    return Key(name, field, readers.size, about, "BYTES")


KEYS: Final = (
    Key("HOST", "host", str, "address to listen on", "HOST", is_plain=False),
    Key("PORT", "port", readers.port, "port to listen on; 0 selects a free one", "PORT"),
    Key("DEBUG", "debug", boolean, "log at level DEBUG", flag="true", is_plain=False),
    Key("FPX_LOG_LEVEL", "log_level", level, "minimum level of log messages", "LEVEL"),
    Key("DB_URL", "db_url", str, "sqlite:///PATH or postgresql://USER@HOST/NAME", "URL"),
    Key("DB_EXTRAS", "db_extras", table, "further arguments of SQLAlchemy's engine", "JSON"),
    Key("ALLOW", "allowed", origins, "an origin from which items may be fetched", "ORIGIN"),
    Key("CORS_ORIGINS", "cors_origins", words, "origins that may read responses", "ORIGINS"),
    Key(
        "JWT_ALGORITHM",
        "jwt_algorithm",
        readers.one_of(*ALGORITHMS),
        "the algorithm of signed URLs",
        "NAME",
    ),
    Key(
        "FPX_NO_QUEUE",
        "no_queue",
        boolean,
        "make tickets wait in a queue",
        option="queue",
        flag="false",
    ),
    Key(
        "SIMULTANEOURS_DOWNLOADS_LIMIT",
        "simultaneous",
        readers.count,
        "maximum number of simultaneous downloads with --queue",
        option="simultaneous",
    ),
    Key("STRICT", "strict", boolean, "abort an archive that lacks an item", flag="true"),
    Key(
        "DOWNLOADS_PER_CLIENT",
        "downloads_per_client",
        readers.count,
        "maximum number of simultaneous downloads of a client; 429 above",
    ),
    Key("MAX_ITEMS", "max_items", readers.count, "maximum number of items of a ticket"),
    _bytes("MAX_JSON", "max_json_bytes", "maximum size of a ticket's JSON; 413 above"),
    _bytes("ITEM_SIZE", "item_bytes", "maximum size of an item"),
    _bytes("TOTAL_SIZE", "total_bytes", "maximum size of all items of a ticket"),
    _seconds("TICKET_TTL", "ticket_ttl_s", "lifetime of an unused ticket"),
    _seconds("WAIT_TIME", "wait_s", "timeout for a wait in the queue"),
    _seconds("STALL_TIME", "stall_s", "timeout for a client that does not read"),
    _seconds("ITEM_TIME", "item_s", "timeout for an item"),
    _seconds("TOTAL_TIME", "total_s", "timeout for a download"),
    _seconds("IDLE_TIME", "idle_s", "timeout for an origin that sends no data"),
    _seconds("CONNECT_TIME", "connect_s", "timeout for connecting to an origin"),
    Key("FPX_TRANSPORT", "", readers.one_of("aiohttp", "httpx")),
    Key("FPX_PIPE_SILLY_STREAM", "", boolean),
    Key("KEEP_ALIVE", "", boolean),
    Key("FALLBACK_ERROR_FORMAT", "", str),
)
