"""Settings from a TOML file, the environment and the command line; the later source wins.

A KEY is FPX_KEY or KEY in the environment; FPX_CONFIG or --config names the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.archive.fetching import Limits
from httpprocessproxy.companions.archive.keys import DEFAULTS, IGNORED, OPTIONS, PREFIXED, key
from httpprocessproxy.companions.archive.service.context import ServiceRules
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.config.config_file import read_toml
from httpprocessproxy.config.parser import made
from httpprocessproxy.core.errors import UserError

FILE_VARIABLE: Final = "FPX_CONFIG"

# The keys with an effect: the field of each, and the reader of its value.
_KEYS: Final = {
    **{name: ("", read) for name, read in IGNORED.items()},
    **{key(option): (option.field, option.parse) for option in OPTIONS},
}


def settings(given: Mapping[str, object], environ: Mapping[str, str]) -> ArchiveSettings:
    """The settings; `given` has the values of the command line, by field. Raises UserError."""
    values = {**DEFAULTS}
    file = given.get("config") or environ.get(FILE_VARIABLE)
    if file:
        for name, text in _file(Path(str(file))).items():
            _read(values, name, text, f"{file}: {name}")
    for name in _KEYS:
        variables = [f"FPX_{name}", *([name] if name not in PREFIXED else [])]
        for variable in [variable for variable in variables if variable in environ][:1]:
            _read(values, name, environ[variable], variable)
    values |= given
    values["limits"] = made(Limits, values)
    values["rules"] = made(ServiceRules, values)
    return made(ArchiveSettings, values)


def _read(values: dict[str, object], name: str, text: str, where: str) -> None:
    """Read the text of a key into `values`. Raises UserError."""
    field, read = _KEYS[name]
    try:
        # Neither a host nor a file name may contain a NUL.
        if "\0" in text:
            raise UserError("it contains a NUL character")
        values[field] = read(text)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _file(path: Path) -> Mapping[str, str]:
    """The keys of a file and their values as texts. Raises UserError."""
    if path.suffix == ".py":
        raise UserError(f"{path}: a configuration file is TOML, not Python")
    named = {name.upper().replace("-", "_"): value for name, value in read_toml(path).items()}
    for name in named:
        if name not in _KEYS:
            raise UserError(f"{path}: unknown key {name[:100]!r}")
    return {name: _as_text(value) for name, value in named.items()}


def _as_text(value: object) -> str:
    """A TOML value in the form of an environment variable."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(str(one) for one in value)
        case dict():
            return json.dumps(value, default=str)
        case _:
            return str(value)
