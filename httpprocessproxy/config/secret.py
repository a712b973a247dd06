"""Secrets of options, which everybody on this machine could read from the command line (`ps`).

Each has three forms: `--NAME` itself, `--NAME-file FILE`, and the variable `HPP_NAME`.
"""

import os
from pathlib import Path

from httpprocessproxy.core.errors import UserError


def secret(option: str, said: str, file: Path | None) -> str:
    """The value of a secret option: what is said, or the file's first line, or the variable's.

    "" if there is none. Raises UserError.
    """
    if said and file is not None:
        raise UserError(f"--{option} and --{option}-file are two values: choose one")
    if file is not None:
        return _first_line(option, file)
    return said or os.environ.get(variable(option), "")


def variable(option: str) -> str:
    """The environment variable of a secret option."""
    return f"HPP_{option.upper().replace('-', '_')}"


def _first_line(option: str, file: Path) -> str:
    try:
        line = file.read_text("utf-8").partition("\n")[0].strip()
    except OSError as error:
        raise UserError(f"--{option}-file: cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"--{option}-file: {file} is not UTF-8") from error
    if not line:
        raise UserError(f"--{option}-file: the first line of {file} is empty")
    return line
