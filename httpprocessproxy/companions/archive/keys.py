"""The keys of the configuration: one table for the file, the environment and the command line.

The names are those of the service that ours takes the place of, and for what it has not, our own.
Some of its keys mean nothing here; they are read, so that a configuration can be taken over.
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
    """A key by its name. `field` is of `Settings` or its parts, empty for what means nothing here.

    `flag`: its option takes no value, and means this one. `is_plain`: the environment may name it
    without the prefix, too; HOST and DEBUG mean other things in many shells.
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
    Key("HOST", "host", str, "where to listen", "HOST", is_plain=False),
    Key("PORT", "port", readers.port, "the port there; 0 takes a free one", "PORT"),
    Key("DEBUG", "debug", boolean, "log more", flag="true", is_plain=False),
    Key("FPX_LOG_LEVEL", "log_level", level, "what to log", "LEVEL"),
    Key("DB_URL", "db_url", str, "sqlite:///PATH or postgresql://USER@HOST/NAME", "URL"),
    Key("DB_EXTRAS", "db_extras", table, "more for SQLAlchemy's engine", "JSON"),
    Key("ALLOW", "allowed", origins, "an origin that may be fetched from", "ORIGIN"),
    Key("CORS_ORIGINS", "cors_origins", words, "whose pages may read answers", "ORIGINS"),
    Key("JWT_ALGORITHM", "jwt_algorithm", readers.one_of(*ALGORITHMS), "of signed URLs", "NAME"),
    Key("FPX_NO_QUEUE", "no_queue", boolean, "tickets wait", option="queue", flag="false"),
    Key(
        "SIMULTANEOURS_DOWNLOADS_LIMIT",
        "simultaneous",
        readers.count,
        "downloads at a time, where tickets wait",
        option="simultaneous",
    ),
    Key("STRICT", "strict", boolean, "cut an archive that lacks an item", flag="true"),
    Key("DOWNLOADS_PER_CLIENT", "downloads_per_client", readers.count, "at a time; past it 429"),
    Key("MAX_ITEMS", "max_items", readers.count, "of a ticket"),
    _bytes("MAX_JSON", "max_json_bytes", "of what a ticket is made of; past it 413"),
    _bytes("ITEM_SIZE", "item_bytes", "of an item"),
    _bytes("TOTAL_SIZE", "total_bytes", "of all items of a ticket"),
    _seconds("TICKET_TTL", "ticket_ttl_s", "how long a ticket can be used"),
    _seconds("WAIT_TIME", "wait_s", "how long a ticket may be waited with"),
    _seconds("STALL_TIME", "stall_s", "how long a reader may take nothing"),
    _seconds("ITEM_TIME", "item_s", "how long an item may take"),
    _seconds("TOTAL_TIME", "total_s", "how long a download may take"),
    _seconds("IDLE_TIME", "idle_s", "how long an origin may say nothing"),
    _seconds("CONNECT_TIME", "connect_s", "how long connecting to an origin may take"),
    Key("FPX_TRANSPORT", "", readers.one_of("aiohttp", "httpx")),
    Key("FPX_PIPE_SILLY_STREAM", "", boolean),
    Key("KEEP_ALIVE", "", boolean),
    Key("FALLBACK_ERROR_FORMAT", "", str),
)
