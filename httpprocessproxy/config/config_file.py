"""Configuration files: `http-process-proxy.toml`, or a table of pyproject.toml.

A key is the long name of an option; its value is parsed like a value of the command line. Each
error is one line that names the file and the key.
"""

import shlex
import tomllib
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

from httpprocessproxy.config.forms import Kind, Option
from httpprocessproxy.config.model import Config
from httpprocessproxy.config.options import OPTIONS, PROGRAM
from httpprocessproxy.config.parser import nearest
from httpprocessproxy.config.readers import file_text
from httpprocessproxy.core.errors import UserError

OWN = Path(f"{PROGRAM}.toml")
PYPROJECT = Path("pyproject.toml")
TABLE = f"[tool.{PROGRAM}]"

_BY_NAME = {option.name: option for option in OPTIONS}

# Values of options, by the paths of their fields in `Config`.
Values = dict[str, object]


def find_file() -> Path | None:
    """The configuration file of the working directory, if any. Raises UserError for two."""
    found = [path for path in (OWN, PYPROJECT) if path.exists() and _table(path) is not None]
    if len(found) > 1:
        raise UserError(f"{OWN} and {TABLE} in {PYPROJECT}: keep one, or choose by --config")
    return found[0] if found else None


def read_file(path: Path) -> Values:
    """The values that a file sets. Raises UserError."""
    table = _table(path)
    if table is None:
        raise UserError(f"{path} has no {TABLE}")
    values: Values = {}
    for key, value in table.items():
        if key == "tool":
            raise UserError(f"{path}: the keys stand alone here: leave {TABLE} out")
        if key not in _BY_NAME:
            raise UserError(f"{path}: unknown key {key!r}{nearest(key, _BY_NAME)}")
        try:
            values[_BY_NAME[key].field] = _read(_BY_NAME[key], value)
        except UserError as error:
            raise UserError(f"{path}: {key}: {error}") from error
    return values


def read_toml(path: Path) -> Mapping[str, object]:
    """Raises UserError."""
    try:
        # TOML has rules of its own for the ends of lines.
        return tomllib.loads(file_text(path, newline=""))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}") from error


def _table(path: Path) -> Mapping[str, object] | None:
    """The program's table in a file; None if a pyproject.toml has none."""
    content: object = read_toml(path)
    if path.name == PYPROJECT.name:
        for name in ("tool", PROGRAM):
            content = content.get(name) if isinstance(content, dict) else None
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{path}: {TABLE} is not a table")
    return content


def _read(option: Option, value: object) -> object:
    match option.kind:
        case Kind.FLAG | Kind.SWITCH:
            if not isinstance(value, bool):
                raise UserError(f"true or false, not {value!r}")
            return value
        case Kind.COMMAND:
            words = value if isinstance(value, list) else _split(_text(value))
            return tuple(_text(word) for word in words)
        case Kind.VALUES | Kind.WORDS | Kind.GLOBS:
            values = value if isinstance(value, list) else [value]
            return tuple(option.read(_text(one)) for one in values)
        case Kind.VALUE | Kind.PLACE | Kind.PLACES:
            return option.read(_text(value, or_number=option.is_number))


def _text(value: object, or_number: bool = False) -> str:
    if isinstance(value, str):
        return value
    # In Python, a bool is an int.
    if or_number and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UserError(f"{'a number or a text' if or_number else 'a text'}, not {value!r}")


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise UserError(f"{command!r}: {error}") from error


def written(config: Config) -> str:
    """A file with all effective values, defaults included. Raises UserError for invalid text."""
    # Imported lazily: a run of the proxy does not need it.
    import tomli_w

    lines = {option.name: option.plain(attrgetter(option.field)(config)) for option in OPTIONS}
    text = f"# {OWN}, or {TABLE} in {PYPROJECT}\n{tomli_w.dumps(lines)}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError("a value that is not UTF-8 cannot be written to a file") from error
    return text
