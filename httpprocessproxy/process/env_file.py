"""Files of environment variables (`--env-file`), in the format of python-dotenv, by its parser.

Unlike python-dotenv, a line that cannot be parsed is an error. Error messages never quote a line:
it may hold a secret, and errors are shown in the browser.
"""

import io
import os
from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.config.readers import file_text
from httpprocessproxy.core.errors import UserError


def read_env_file(path: Path, inherited: dict[str, str]) -> Mapping[str, str]:
    """The variables of a file; `${NAME}` expands to the inherited value, else to an earlier line's.

    This is the precedence of `dotenv.load_dotenv`. Raises UserError.
    """
    # A pipe can be read only once, and each start reads the file.
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{path} is not a regular file")
    # Imported lazily: most starts are quicker without it.
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    values: dict[str, str] = {}
    known = ChainMap(inherited, values)
    for binding in parse_stream(io.StringIO(file_text(path))):
        written = binding.original.string
        blank = written[: len(written) - len(written.lstrip())]
        line = binding.original.line + blank.count("\n")
        # execve(2) takes no name with "=" and no value with NUL.
        if binding.error or "=" in (binding.key or "") or "\0" in written:
            raise UserError(f"{path}: line {line} is not NAME=VALUE, or a quote is left open")
        if binding.key is not None and binding.value is not None:
            parts = parse_variables(binding.value)
            values[binding.key] = "".join(part.resolve(known) for part in parts)
    return values
