"""The rows of an option table: each option's syntax on a command line and in a file.

A default is in the dataclass that holds the value. --help shows it in place of `{default}`, or
behind the help text, unless that states it in words.
"""

import ipaddress
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from httpprocessproxy.config import readers
from httpprocessproxy.config.address import Address
from httpprocessproxy.config.model import AUTO, NOWHERE
from httpprocessproxy.config.secret import variable

Reader = Callable[[str], object]
_READERS_OF_AUTO = (readers.bind, readers.backend, readers.service_address)

Plain = bool | int | float | str | list["Plain"] | dict[str, "Plain"]


class Kind(Enum):
    """The syntax of an option on the command line."""

    PLACE = auto()  # a positional argument
    PLACES = auto()  # positional arguments, one or more
    ANY_PLACES = auto()  # positional arguments, none or more
    COMMAND = auto()  # the rest of the line
    FLAG = auto()  # --name or --no-name
    SWITCH = auto()  # --name; switches with the same field exclude each other
    VALUE = auto()
    VALUES = auto()  # repeatable
    WORDS = auto()  # repeatable, and several at once, between commas or blanks
    GLOBS = auto()  # repeatable, and several at once
    SPLIT = auto()  # a text that is split as a shell does; in a file also a list of words
    TABLE = auto()  # in a file only: a table of texts
    FIELDS = auto()  # in a file only: `read` returns the values of several fields


@dataclass(frozen=True, slots=True)
class Option:
    """An option: `--name` on the command line and `name` in a file set `field` of a dataclass.

    `field` is a path, such as `listen.bind`, if a member of the dataclass is one itself.
    """

    kind: Kind
    name: str
    field: str
    metavar: str
    help: str
    read: Reader = str
    is_number: bool = False  # a file may have a number in place of a string
    is_required: bool = False
    choices: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    value: object = True  # of a switch

    @property
    def is_positional(self) -> bool:
        return self.kind in (Kind.PLACE, Kind.PLACES, Kind.ANY_PLACES)

    def parse(self, text: str) -> object:
        """The value of a text on the command line or in the environment. Raises UserError."""
        if self.kind is Kind.WORDS:
            return tuple(self.read(word) for word in re.split(r"[\s,]+", text) if word)
        return self.read(text)

    def members(self, text: str) -> Mapping[str, object]:
        """The values of a `FIELDS` option, by their fields. Raises UserError."""
        found = self.read(text)
        assert isinstance(found, dict), "its reader returns fields"
        return found

    def plain(self, value: object) -> Plain:
        """A value in the form that `read` reads, for a file and for --help."""
        match value:
            case None:
                return "off"
            case Address() if self.read in _READERS_OF_AUTO and value == AUTO:
                return "auto"
            case Address() if value == NOWHERE:
                return "off"
            case signal.Signals():
                return value.name
            case ipaddress.IPv4Network() | ipaddress.IPv6Network() if value.num_addresses == 1:
                return str(value.network_address)
            case tuple() if self.kind is Kind.TABLE:
                return dict(value)
            case tuple():
                return [self.plain(one) for one in value]
            case float():
                number = round(value * 1000, 6) if self.metavar == "MS" else value
                return int(number) if number.is_integer() else number
            case int() if self.metavar == "BYTES":
                return readers.size_text(value)
            case bool() | int() | str():
                return value
            case _:
                return str(value)


def flag(name: str, what: str, *, field: str = "") -> Option:
    return Option(Kind.FLAG, name, field or _field(name), "", what, readers.boolean)


def switch(name: str, what: str, *, field: str = "", value: object = True) -> Option:
    field = field or _field(name)
    return Option(Kind.SWITCH, name, field, "", what, readers.boolean, value=value)


def text(name: str, metavar: str, what: str, read: Reader = str, *, field: str = "") -> Option:
    return Option(Kind.VALUE, name, field or _field(name), metavar, what, read)


def secret(name: str, metavar: str, what: str, *, field: str = "") -> tuple[Option, Option]:
    """The two options of a secret, see `config/secret.py`."""
    field = field or _field(name)
    shown = f"{what} (default: none, or {variable(name)})"
    file = f"a file whose first line is {metavar}"
    of_file = text(f"{name}-file", "FILE", file, readers.file_or_off, field=f"{field}_file")
    return text(name, metavar, shown, field=field), of_file


def choice(name: str, what: str, *choices: str, field: str = "", metavar: str = "") -> Option:
    read = readers.one_of(*choices)
    return Option(Kind.VALUE, name, field or name, metavar, what, read, choices=choices)


def number(name: str, metavar: str, what: str, read: Reader, *, field: str = "") -> Option:
    return Option(Kind.VALUE, name, field or _field(name), metavar, what, read, is_number=True)


def seconds(name: str, what: str, *, field: str = "") -> Option:
    return number(name, "S", what, readers.seconds, field=field or f"{_field(name)}_s")


def size(name: str, what: str, read: Reader = readers.size, *, field: str = "") -> Option:
    return number(name, "BYTES", what, read, field=field or f"{_field(name)}_bytes")


def values(name: str, metavar: str, what: str, read: Reader = str, *, field: str = "") -> Option:
    return Option(Kind.VALUES, name, field or _field(name), metavar, what, read)


def words(name: str, metavar: str, what: str, read: Reader = str, *, field: str = "") -> Option:
    return Option(Kind.WORDS, name, field or _field(name), metavar, what, read)


def globs(name: str, what: str, *, field: str = "", aliases: tuple[str, ...] = ()) -> Option:
    return Option(Kind.GLOBS, name, field or name, "GLOB", what, aliases=aliases)


def split(name: str, metavar: str, what: str, *, field: str = "") -> Option:
    return Option(
        Kind.SPLIT, name, field or _field(name), metavar, what, readers.command_without_shell
    )


def table(name: str, what: str, *, field: str = "") -> Option:
    return Option(Kind.TABLE, name, field or _field(name), "NAME", what)


def fields(
    name: str, metavar: str, what: str, read: Callable[[str], Mapping[str, object]]
) -> Option:
    return Option(Kind.FIELDS, name, "", metavar, what, read)


def place(
    name: str, what: str, read: Reader = str, *, field: str = "", metavar: str = ""
) -> Option:
    metavar = metavar or name.upper()
    return Option(Kind.PLACE, name, field or name, metavar, what, read, is_number=True)


def required(option: Option) -> Option:
    return replace(option, is_required=True)


def within(group: str, *options: Option) -> tuple[Option, ...]:
    """The options as fields of a member of the dataclass, such as `service.watch`."""
    return tuple(replace(option, field=f"{group}.{option.field}") for option in options)


def _field(name: str) -> str:
    return name.replace("-", "_")
