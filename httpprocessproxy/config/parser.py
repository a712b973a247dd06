"""The command line of a program, parsed by its table of options: each error is one line."""

import argparse
import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, TypedDict, TypeVar, get_type_hints

from httpprocessproxy import __version__
from httpprocessproxy.config.building import prefixed
from httpprocessproxy.config.forms import Kind, Option, Plain
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.nearest import nearest

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UserError, and suggests a name for an unknown option."""

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        near = nearest(unknown[1], self._option_string_actions) if unknown else ""
        raise UserError(f"{message}{near} (see --help)")


@dataclass(frozen=True, slots=True)
class Table:
    """The options of a program, by the titles of their groups, and the defaults by field."""

    program: str
    description: str
    groups: Mapping[str, Sequence[Option]]
    defaults: Mapping[str, object]
    epilog: str = ""
    usage: str | None = None

    def parser(self) -> Parser:
        """A new parser. Its result has no attribute for an absent option."""
        made = Parser(
            prog=self.program,
            usage=self.usage,
            description=self.description,
            epilog=self.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
        )
        group: argparse._ActionsContainer = made
        for title, options in self.groups.items():
            group = made.add_argument_group(title) if title else made
            add_options(group, options, self.defaults)
        group.add_argument("--version", action="version", version=f"{self.program} {__version__}")
        return made

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The values of `argv` and the defaults, by field.

        Raises UserError, or SystemExit for --help and --version.
        """
        return argparse.Namespace(**{**self.defaults, **given(self.parser().parse_args(argv))})


class _Syntax(TypedDict, total=False):
    """Parameters of `add_argument`."""

    dest: str
    action: str | type[argparse.Action]
    nargs: str
    const: object
    default: None
    type: Callable[[str], object]
    choices: Sequence[str] | None
    required: bool
    metavar: str | None


_SYNTAX: Final[Mapping[Kind, _Syntax]] = {
    Kind.PLACE: {},
    Kind.PLACES: {"nargs": "+"},
    Kind.ANY_PLACES: {"nargs": "*", "default": None},
    Kind.COMMAND: {},
    Kind.FLAG: {"action": argparse.BooleanOptionalAction},
    Kind.SWITCH: {"action": "store_const"},
    Kind.VALUE: {},
    Kind.VALUES: {"action": "append"},
    Kind.WORDS: {"action": "extend"},
    Kind.GLOBS: {"action": "extend", "nargs": "+"},
    Kind.SPLIT: {},
}


def add_options(
    group: argparse._ActionsContainer, options: Sequence[Option], defaults: Mapping[str, object]
) -> None:
    """Add options to a parser, or to a group of one."""
    switches = Counter(option.field for option in options if option.kind is Kind.SWITCH)
    exclusive = {
        field: group.add_mutually_exclusive_group()
        for field, count in switches.items()
        if count > 1
    }
    for option in options:
        _add(exclusive.get(option.field, group), option, _help(option, defaults))


def _add(group: argparse._ActionsContainer, option: Option, what: str) -> None:
    syntax = _SYNTAX[option.kind].copy()
    if option.kind is Kind.SWITCH:
        syntax["const"] = option.value
    elif option.kind is not Kind.FLAG:
        syntax |= {
            "type": for_argparse(option.parse),
            "metavar": option.metavar or None,
            "choices": option.choices,
        }
    if not option.is_positional:
        syntax |= {"dest": option.field, "required": option.is_required}
        group.add_argument(*option.aliases, f"--{option.name}", help=what, **syntax)
        return
    if option.kind is Kind.PLACE and not option.is_required:
        # For positional arguments, argparse would parse its marker SUPPRESS as a value.
        syntax |= {"nargs": "?", "default": None}
    group.add_argument(option.field, help=what, **syntax)


def _help(option: Option, defaults: Mapping[str, object]) -> str:
    """The help text of an option, with its default."""
    default = defaults.get(option.field, "")
    what = option.help
    has_none = option.is_required or option.kind in (Kind.SWITCH, Kind.COMMAND)
    if has_none or default in ("", {}):
        return what
    if "(default: " not in what:
        what += " (default: {default})"
    return what.replace("{default}", _shown(option.plain(default)))


def given(line: argparse.Namespace) -> dict[str, object]:
    """The values that a parser returned, by field; its lists as tuples."""
    return {
        field: tuple(value) if isinstance(value, list) else value
        for field, value in vars(line).items()
    }


def _shown(value: Plain) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return " and ".join(map(str, value)) or "none"
        case _:
            return str(value)


def for_argparse(read: Callable[[str], T]) -> Callable[[str], T]:
    """Make a type for argparse, which prints the text of an ArgumentTypeError unchanged."""

    def read_argument(text: str) -> T:
        try:
            return read(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read_argument


def defaults_of(*parts: type) -> Mapping[str, object]:
    """The default values of dataclasses, by field; of equal fields, that of the first class.

    A field of a member that is a dataclass has a path, such as `listen.allowed_hosts`.
    """
    found: dict[str, object] = {}
    for part in parts:
        types = get_type_hints(part)
        for field in dataclasses.fields(part):
            if dataclasses.is_dataclass(types[field.name]):
                members = prefixed(field.name, defaults_of(types[field.name]))
                found = {**members, **found}
            elif field.default is not dataclasses.MISSING:
                found.setdefault(field.name, field.default)
            elif field.default_factory is not dataclasses.MISSING:
                found.setdefault(field.name, field.default_factory())
    return found


def made(part: type[T], values: Mapping[str, object]) -> T:
    """A dataclass made of those of `values` that are its fields."""
    names = inspect.signature(part).parameters
    return part(**{name: value for name, value in values.items() if name in names})
