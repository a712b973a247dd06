"""Settings from a TOML file, the environment and the command line; the later source wins.

A KEY is FPX_KEY or KEY in the environment; FPX_CONFIG or --config names the file.
"""

import argparse
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.archive.fetching import Limits
from httpprocessproxy.companions.archive.keys import KEYS, Key
from httpprocessproxy.companions.archive.service.context import ServiceRules
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.core.errors import UserError

FILE_VARIABLE: Final = "FPX_CONFIG"

_PREFIX: Final = "FPX_"
_BY_NAME: Final = {key.name: key for key in KEYS}

_Part = type[ArchiveSettings] | type[ServiceRules] | type[Limits]
_PARTS: Final[tuple[_Part, ...]] = (ArchiveSettings, ServiceRules, Limits)


def settings(options: Mapping[str, str], environ: Mapping[str, str]) -> ArchiveSettings:
    """Read all settings; `options` maps the names of keys to texts. Raises UserError."""
    read = {part: argparse.Namespace() for part in _PARTS}
    file = options.get("CONFIG") or environ.get(FILE_VARIABLE)
    if file:
        for name, text in _file(Path(file)).items():
            _set(read, _BY_NAME[name], text, f"{file}: {name}")
    for key in KEYS:
        variable = next((name for name in _variables(key) if name in environ), None)
        if variable is not None:
            _set(read, key, environ[variable], variable)
    for key in KEYS:
        if key.name in options:
            _set(read, key, options[key.name], f"--{option(key)}")
    limits = Limits(**vars(read[Limits]))
    rules = replace(ArchiveSettings().rules, **vars(read[ServiceRules]), limits=limits)
    return ArchiveSettings(**vars(read[ArchiveSettings]), rules=rules)


def default(key: Key) -> object:
    """The default value of a key."""
    usual = ArchiveSettings()
    values = {ArchiveSettings: usual, ServiceRules: usual.rules, Limits: usual.rules.limits}
    return getattr(values[_part(key)], key.field)


def option(key: Key) -> str:
    """The name of a key's option."""
    return key.option or key.name.removeprefix(_PREFIX).lower().replace("_", "-")


def _variables(key: Key) -> list[str]:
    return [f"{_PREFIX}{key.name}", *([key.name] if key.is_plain else [])]


def _part(key: Key) -> _Part:
    return next(part for part in _PARTS if key.field in part.__dataclass_fields__)


def _set(read: Mapping[_Part, argparse.Namespace], key: Key, text: str, where: str) -> None:
    try:
        # Neither a host nor a file name may contain a NUL.
        if "\0" in text:
            raise UserError("it contains a NUL character")
        value = key.read(text)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if key.field:
        setattr(read[_part(key)], key.field, value)


def _file(path: Path) -> Mapping[str, str]:
    """The keys of a file and their values as texts. Raises UserError."""
    if path.suffix == ".py":
        raise UserError(f"{path}: a configuration file is TOML, not Python")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not TOML
        raise UserError(f"{path}: {error}") from None
    named = {name.upper().replace("-", "_"): value for name, value in table.items()}
    for name in named:
        if name not in _BY_NAME:
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
