"""Files of environment variables, in the format of python-dotenv, and in its way of reading.

Unlike it, we refuse a file with a line that cannot be read. No error shows what a line says: it
may be a secret, and errors are shown in the browser.
"""

import io
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.core.errors import UserError


def read_env_file(path: Path, inherited: dict[str, str]) -> Mapping[str, str]:
    """The variables of a file, where `${NAME}` is what is `inherited`, or else said further up.

    So does `dotenv.load_dotenv`: the environment precedes the file. Raises UserError.
    """
    # Imported where it is needed: most starts are quicker without.
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    values: dict[str, str] = {}
    known = ChainMap(inherited, values)
    for binding in parse_stream(io.StringIO(_text(path))):
        written = binding.original.string
        blank = written[: len(written) - len(written.lstrip())]
        line = binding.original.line + blank.count("\n")
        # The system has no variable with such a name, and no value with such a byte.
        if binding.error or "=" in (binding.key or "") or "\0" in written:
            raise UserError(f"{path}: line {line} is not NAME=VALUE, or a quote is left open")
        if binding.key is not None and binding.value is not None:
            parts = parse_variables(binding.value)
            values[binding.key] = "".join(part.resolve(known) for part in parts)
    return values


def _text(path: Path) -> str:
    try:
        # A pipe gives what it has once, and a start is not the last one.
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no regular file")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8") from error
