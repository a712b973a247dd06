"""The program's folders in a user's home, by the XDG Base Directory Specification or macOS's rules.

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


def _folder(variable: str, usual: str, on_macos: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    # XDG Base Directory Specification: a relative path is invalid and must be ignored.
    if not base.is_absolute():
        base = Path.home() / (on_macos if sys.platform == "darwin" else usual)
    return base / _PROGRAM
