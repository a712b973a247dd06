"""The forms of options: how each is written on the command line and in a file."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from httpprocessproxy.config import readers
from httpprocessproxy.config.secret import variable


class Kind(Enum):
    """How an option is written on the command line."""

    PLACE = auto()  # a word without a name
    COMMAND = auto()  # the rest of the line
    FLAG = auto()  # --name or --no-name
    VALUE = auto()
    VALUES = auto()  # repeatable
    GLOBS = auto()  # repeatable, and several at once


@dataclass(frozen=True, slots=True)
class Option:
    """What sets `field` of `Config`: `--name` on the command line, `name` in a file."""

    kind: Kind
    name: str
    field: str
    metavar: str
    help: str
    read: Callable[[str], object] = str
    is_number: bool = False  # may be one in a file
    choices: tuple[str, ...] | None = None
    short: str = ""


def flag(name: str, what: str, *, field: str = "") -> Option:
    return Option(Kind.FLAG, name, field or name.replace("-", "_"), "", what)


def text(name: str, metavar: str, what: str, read: Callable[[str], object]) -> Option:
    return Option(Kind.VALUE, name, name.replace("-", "_"), metavar, what, read)


def secret(name: str, metavar: str, what: str) -> tuple[Option, Option]:
    """The forms of `config/secret.py`."""
    shown = f"{what} (default: none, or {variable(name)})"
    file = f"its first line is {metavar} (default: off)"
    of_file = text(f"{name}-file", "FILE", file, readers.file_or_off)
    return text(name, metavar, shown, str), of_file


def choice(name: str, what: str, *choices: str) -> Option:
    return Option(Kind.VALUE, name, name, "", what, readers.one_of(*choices), choices=choices)


def number(
    name: str, metavar: str, what: str, read: Callable[[str], object], *, field: str
) -> Option:
    return Option(Kind.VALUE, name, field, metavar, what, read, is_number=True)


def seconds(name: str, what: str) -> Option:
    field = f"{name.replace('-', '_')}_s"
    return number(name, "S", f"seconds {what}", readers.seconds, field=field)


def globs(name: str, what: str, *, field: str = "", short: str = "") -> Option:
    return Option(Kind.GLOBS, name, field or name, "GLOB", what, short=short)


def place(name: str, what: str, read: Callable[[str], object]) -> Option:
    return Option(Kind.PLACE, name, name, name.upper(), what, read, is_number=True)
