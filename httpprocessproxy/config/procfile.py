"""Procfiles: a line `NAME: COMMAND` for each service, with the variables of a `.env` beside it.

`web` gets all requests. A service has a port if it is `web` or if its command mentions $PORT. No
file restarts a service, as a Procfile names none. `release`, which Heroku runs before the others,
is a task.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from httpprocessproxy.config.config_file import ConfigFile, ServiceTable, Values
from httpprocessproxy.config.key_source import Keys, KeySource
from httpprocessproxy.config.model import AUTO
from httpprocessproxy.config.readers import file_text
from httpprocessproxy.config.shell import words_of
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.identity import DEFAULT_SERVICE
from httpprocessproxy.core.routes import Route

ENV_FILE: Final = ".env"

_LINE: Final = re.compile(r"([A-Za-z0-9_-]+):[ \t]*(\S.*)")
_TASK: Final = "release"
# Not `${PORT:-5000}`, which has a port of its own.
_PORT: Final = re.compile(r"\$(?:PORT\b|\{PORT\})")

_VARIABLE: Final = re.compile(r"([A-Za-z_0-9]+)=(.*)")


def read_procfile(path: Path) -> ConfigFile:
    """The services of a Procfile. Raises UserError for a line that cannot be read."""
    lines: dict[Keys, int] = {}
    source = KeySource(path, lambda: lines)
    env = tuple(env_variables(path.with_name(ENV_FILE)).items())
    tables: list[ServiceTable] = []
    for number, line in enumerate(file_text(path).removeprefix("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UserError(f"{path}:{number}: not a line NAME: COMMAND: {line.strip()[:80]!r}")
        name, command = match[1].lower(), match[2]
        keys = ("task" if name == _TASK else "service", name)
        if keys in lines:
            raise UserError(f"{path}:{number}: {name} is also in line {lines[keys]}")
        lines[keys] = number
        try:
            values: Values = {"command": words_of(command), "env": env}
        except ValueError as error:
            raise UserError(f"{path}:{number}: {name}: {error}") from error
        if name == DEFAULT_SERVICE:
            values["routes"] = (Route(),)
        elif _PORT.search(command):
            values["address"] = AUTO
        tables.append(ServiceTable(keys, values))
    if not tables:
        raise UserError(f"{path} has no line NAME: COMMAND")
    return ConfigFile(source, {}, tables)


def env_variables(path: Path) -> Mapping[str, str]:
    """The variables of a `.env`, as foreman reads it: they win over those of the environment.

    No variables without the file. PORT is left out: the proxy chooses ports. Raises UserError.
    """
    found: dict[str, str] = {}
    if not path.exists():
        return found
    for line in file_text(path).splitlines():
        if (match := _VARIABLE.fullmatch(line)) is not None and match[1] != "PORT":
            found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1].replace("\\n", "\n"))
    return text
