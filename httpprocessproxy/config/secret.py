"""Secret options. Every user of a machine can read a secret on a command line (`ps`).

So each has three forms: `--NAME`, `--NAME-file FILE`, and the environment variable `HPP_NAME`.
"""

import os
from pathlib import Path

from httpprocessproxy.config.readers import file_text
from httpprocessproxy.core.errors import UserError


def secret(option: str, given: str, file: Path | None) -> str:
    """The value of a secret option: `given`, the first line of `file`, or the variable's value.

    "" if there is none. Raises UserError.
    """
    if given and file is not None:
        raise UserError(f"--{option} and --{option}-file are two values: choose one")
    if file is not None:
        return _first_line(option, file)
    return given or os.environ.get(variable(option), "")


def variable(option: str) -> str:
    """The environment variable of a secret option."""
    return f"HPP_{option.upper().replace('-', '_')}"


def _first_line(option: str, file: Path) -> str:
    try:
        line = file_text(file).partition("\n")[0].strip()
    except UserError as error:
        raise UserError(f"--{option}-file: {error}") from error
    if not line:
        raise UserError(f"--{option}-file: the first line of {file} is empty")
    return line
