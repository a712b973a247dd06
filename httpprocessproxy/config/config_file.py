"""Configuration files: `http-process-proxy.toml`, or a table of pyproject.toml.

A key is the long name of an option; its value is parsed like a value of the command line. Each
error is one line that names the file, the line and the key. `[service.NAME]` and `[task.NAME]` are
tables of several services, see `service_tables.py`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from httpprocessproxy.config.forms import Kind, Option
from httpprocessproxy.config.key_source import Keys, KeySource
from httpprocessproxy.config.options import PROGRAM
from httpprocessproxy.config.readers import command, file_text
from httpprocessproxy.config.service_options import (
    ALIASES,
    IN_TABLES,
    OF_ONE_SERVICE,
    SERVICE_KEYS,
    TASK_KEYS,
    TOP_KEYS,
)
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.nearest import nearest

OWN = Path(f"{PROGRAM}.toml")
PYPROJECT = Path("pyproject.toml")
PROCFILE = Path("Procfile")
TABLE = f"[tool.{PROGRAM}]"

_KEYS: Final = {"service": SERVICE_KEYS, "task": TASK_KEYS}
_IN_TABLES: Final = frozenset(option.name for option in IN_TABLES)

# Values of options, by the paths of their fields in `Config`.
Values = dict[str, object]


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """`[service.NAME]` or `[task.NAME]`: values by the paths of their fields in `ServiceConfig`.

    `keys` is the path of the table, `written` the key that has set each field.
    """

    keys: Keys
    values: Values
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.keys[-1]

    @property
    def is_task(self) -> bool:
        return self.keys[0] == "task"

    def key(self, field: str) -> Keys:
        """The path of the key that has set a field, else that of the table."""
        return (*self.keys, self.written[field]) if field in self.written else self.keys


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The content of a file; without `tables`, its values are those of one service."""

    source: KeySource
    values: Values
    tables: Sequence[ServiceTable] = ()

    @property
    def path(self) -> Path:
        return self.source.path


def find_file(*, above: bool = False) -> Path | None:
    """The configuration file of the working directory, if any.

    With `above`, it is searched for in the folders above as well, up to the root of a repository.
    Raises UserError for two in one folder.
    """
    folders = [Path()]
    if above:
        here = Path.cwd()
        tops = [folder for folder in (here, *here.parents) if (folder / ".git").exists()]
        folders += [folder for folder in here.parents if tops and folder.is_relative_to(tops[0])]
    for folder in folders:
        candidates = (folder / OWN, folder / PYPROJECT)
        found = [
            path
            for path in candidates
            if path.exists() and _table(path, read_toml(path)) is not None
        ]
        if len(found) > 1:
            raise UserError(f"{OWN} and {TABLE} in {PYPROJECT}: keep one, or choose by --config")
        if found:
            return found[0]
    return None


def read_file(path: Path) -> ConfigFile:
    """The content of a file. Raises UserError."""
    text = _text_of(path)
    table = _table(path, _parsed(path, text))
    if table is None:
        raise UserError(f"{path} has no {TABLE}")
    prefix = ("tool", PROGRAM) if path.name == PYPROJECT.name else ()
    source = KeySource(path, partial(_lines, text), prefix)
    tables = [found for kind in _KEYS if kind in table for found in _tables(source, kind, table)]
    known = TOP_KEYS
    if tables:
        known = {name: row for name, row in TOP_KEYS.items() if name not in OF_ONE_SERVICE}
    top = {key: value for key, value in table.items() if key not in _KEYS}
    values, _ = _values(source, (), top, known)
    return ConfigFile(source, values, tables)


def read_toml(path: Path) -> Mapping[str, object]:
    """Raises UserError."""
    return _parsed(path, _text_of(path))


def _parsed(path: Path, text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}") from error


def _text_of(path: Path) -> str:
    # TOML has rules of its own for the ends of lines.
    return file_text(path, newline="")


def _table(path: Path, content: object) -> Mapping[str, object] | None:
    """The program's table in the content of a file; None if a pyproject.toml has none."""
    if path.name == PYPROJECT.name:
        for name in ("tool", PROGRAM):
            content = content.get(name) if isinstance(content, dict) else None
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{path}: {TABLE} is not a table")
    return content


def _tables(source: KeySource, kind: str, top: Mapping[str, object]) -> Sequence[ServiceTable]:
    found = []
    tables = top[kind]
    if not isinstance(tables, dict):
        raise source.error((kind,), f"write a table [{kind}.NAME]")
    for name, content in tables.items():
        keys = (kind, name)
        if not isinstance(content, dict):
            raise source.error(keys, f"write a table [{kind}.NAME], not {content!r}")
        found.append(ServiceTable(keys, *_values(source, keys, content, _KEYS[kind])))
    return found


def _values(
    source: KeySource, table: Keys, content: Mapping[str, object], known: Mapping[str, Option]
) -> tuple[Values, Mapping[str, str]]:
    """The values of a table by their fields, and the keys that have set them."""
    values: Values = {}
    written: dict[str, str] = {}
    for key, value in content.items():
        option = known.get(ALIASES.get(key, key))
        if option is None:
            raise _unknown(source, (*table, key), known)
        try:
            found = _read(option, value)
            is_checked = option.kind is Kind.SPLIT or (table and option.kind is Kind.COMMAND)
            if is_checked and isinstance(value, str):
                _check_shell(command(value))
        except UserError as error:
            raise source.error((*table, key), str(error)) from error
        for name in found:
            if other := next((key for field, key in written.items() if _overlap(field, name)), ""):
                raise source.error((*table, key), f"{other} sets the same: keep one of them")
        values |= found
        written |= dict.fromkeys(found, key)
    return values, written


def _lines(text: str) -> Mapping[Keys, int]:
    # Imported lazily: only an error needs the lines.
    from httpprocessproxy.config.positions import key_lines

    return key_lines(text)


def _check_shell(words: Sequence[str]) -> None:
    # Imported lazily: one service has no table.
    from httpprocessproxy.config.shell import shell_word

    if word := shell_word(words):
        raise UserError(f"no shell runs it, for {word!r}: write sh -c '...', or a list of words")


def _unknown(source: KeySource, keys: Keys, known: Mapping[str, Option]) -> UserError:
    *table, key = keys
    if keys == ("tool",):
        return UserError(f"{source.place(keys)}: the keys stand alone here: leave {TABLE} out")
    if table[:1] == ["task"] and key in SERVICE_KEYS:
        return source.error(keys, "not a key of a task, which answers no requests")
    if table and key in TOP_KEYS:
        return source.error(keys, "a key of the whole proxy: write it above the first table")
    if key in _IN_TABLES or key in OF_ONE_SERVICE:
        return source.error(keys, "a key of one service: write it below [service.NAME]")
    near = nearest(key, [*known, *ALIASES, *([] if table else _KEYS)])
    return UserError(f"{source.place(keys)}: unknown key {'.'.join(keys)!r}{near}")


def _overlap(one: str, other: str) -> bool:
    """Whether one of two fields is the other one, or one of its members."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def layered(below: Mapping[str, object], above: Mapping[str, object]) -> Values:
    """The values of `above`, and those of `below` for fields that it does not set."""
    kept = {
        name: value
        for name, value in below.items()
        if not any(_overlap(name, other) for other in above)
    }
    return {**kept, **above}


def _read(option: Option, value: object) -> Values:
    """The values of a key, by their fields."""
    match option.kind:
        case Kind.FIELDS:
            return {**option.members(_text(value))}
        case Kind.FLAG | Kind.SWITCH:
            if not isinstance(value, bool):
                raise UserError(f"true or false, not {value!r}")
            found: object = value
        case Kind.COMMAND | Kind.SPLIT:
            words = value if isinstance(value, list) else command(_text(value))
            found = tuple(_text(word) for word in words)
        case Kind.TABLE:
            if not isinstance(value, dict):
                raise UserError(f"a table of texts, not {value!r}")
            found = tuple((name, _text(one, or_number=True)) for name, one in value.items())
        case Kind.VALUES | Kind.WORDS | Kind.GLOBS:
            values = value if isinstance(value, list) else [value]
            found = tuple(option.read(_text(one)) for one in values)
        case Kind.VALUE | Kind.PLACE | Kind.PLACES | Kind.ANY_PLACES:
            found = option.read(_text(value, or_number=option.is_number))
    return {option.field: found}


def _text(value: object, or_number: bool = False) -> str:
    if isinstance(value, str):
        return value
    # In Python, a bool is an int.
    if or_number and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UserError(f"{'a number or a text' if or_number else 'a text'}, not {value!r}")
