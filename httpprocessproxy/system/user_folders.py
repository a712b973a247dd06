"""The program's folders of a user, by the XDG Base Directory Specification or macOS's rules.

The folders may not exist yet. The caller words the error for a user without a home.
"""

import os
import sys
from pathlib import Path
from typing import Final

_PROGRAM: Final = "http-process-proxy"


def data_folder() -> Path:
    """The folder for permanent data. Raises RuntimeError for a user without a home."""
    return _folder("XDG_DATA_HOME", ".local/share", "Library/Application Support")


def cache_folder() -> Path:
    """The folder for data that can be recreated. Raises RuntimeError for a user without a home."""
    return _folder("XDG_CACHE_HOME", ".cache", "Library/Caches")


def state_folder() -> Path:
    """The folder for logs. Raises RuntimeError for a user without a home."""
    return _folder("XDG_STATE_HOME", ".local/state", "Library/Logs")


def runtime_folder() -> Path:
    """The folder for files of running programs. Raises RuntimeError for a user without a home."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    # `su` and `sudo` may pass on the variable of another user.
    if base.is_absolute() and os.access(base, os.W_OK) and base.stat().st_uid == os.getuid():
        return base / _PROGRAM
    return cache_folder() / "run"


def _folder(variable: str, usual: str, on_macos: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    # XDG Base Directory Specification: a relative path is invalid and must be ignored.
    if not base.is_absolute():
        base = Path.home() / (on_macos if sys.platform == "darwin" else usual)
    return base / _PROGRAM
