"""Resolves shims of pyenv once: each run of a shim takes a tenth of a second."""

import ast
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from httpprocessproxy.warm.flags import NotWarmError

_TIMEOUT_S = 10.0
_DUMP = "import os, sys; print(repr((sys.executable, dict(os.environ))))"


def is_shim(path: str, first: bytes, rest: bytes) -> bool:
    """Whether this script is a shim, which executes the program of the selected Python version."""
    return b"bash" in first and b"PYENV" in rest and os.path.dirname(path).endswith("/shims")


def behind_shim(path: str, environment: Mapping[str, str], cwd: Path) -> tuple[str, dict[str, str]]:
    """The program behind a shim, and the environment variables that the shim changes.

    Raises NotWarmError.
    """
    folder, name = os.path.split(path)
    command = [os.path.join(folder, "python"), "-c", _DUMP]
    try:
        done = subprocess.run(
            command, env=environment, cwd=cwd, capture_output=True, timeout=_TIMEOUT_S, check=True
        )
        executable, changed = ast.literal_eval(done.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError) as error:
        raise NotWarmError(f"pyenv does not resolve {name!r}") from error
    real = os.path.join(os.path.dirname(executable), name)
    if not os.path.exists(real):
        raise NotWarmError(f"pyenv has no {name!r} in the version that it chose")
    changes = {key: value for key, value in changed.items() if environment.get(key) != value}
    # bash sets these for itself: they differ from process to process.
    return real, {
        key: changes[key] for key in changes if key not in ("_", "SHLVL", "OLDPWD", "PWD")
    }
