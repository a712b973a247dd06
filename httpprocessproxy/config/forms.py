"""Kinds of options: the syntax of each on the command line and in a file."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from httpprocessproxy.config import readers
from httpprocessproxy.config.secret import variable


class Kind(Enum):
    """The syntax of an option on the command line."""

    PLACE = auto()  # a positional argument
    COMMAND = auto()  # the rest of the line
    FLAG = auto()  # --name or --no-name
    VALUE = auto()
    VALUES = auto()  # repeatable
    GLOBS = auto()  # repeatable, and several at once


@dataclass(frozen=True, slots=True)
class Option:
    """An option: `--name` on the command line and `name` in a file set `field` of `Config`."""

    kind: Kind
    name: str
    field: str
    metavar: str
    help: str
    read: Callable[[str], object] = str
    is_number: bool = False  # a file may have a number in place of a string
    choices: tuple[str, ...] | None = None
    short: str = ""


def flag(name: str, what: str, *, field: str = "") -> Option:
    return Option(Kind.FLAG, name, field or name.replace("-", "_"), "", what)


def text(name: str, metavar: str, what: str, read: Callable[[str], object]) -> Option:
    return Option(Kind.VALUE, name, name.replace("-", "_"), metavar, what, read)


def secret(name: str, metavar: str, what: str) -> tuple[Option, Option]:
    """The two options of a secret, see `config/secret.py`."""
    shown = f"{what} (default: none, or {variable(name)})"
    file = f"a file whose first line is {metavar} (default: off)"
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
