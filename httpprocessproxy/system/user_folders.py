"""Where a user's own files of ours are: by the XDG Base Directory Specification, or as macOS does.

The folders may not exist yet. Whoever needs one says what for if the user has no home.
"""

import os
import sys
from pathlib import Path
from typing import Final

_PROGRAM: Final = "http-process-proxy"


def data_folder() -> Path:
    """The folder of what is to stay. Raises RuntimeError for a user without a home."""
    return _folder("XDG_DATA_HOME", ".local/share", "Library/Application Support")


def cache_folder() -> Path:
    """The folder of what can be made anew. Raises RuntimeError for a user without a home."""
    return _folder("XDG_CACHE_HOME", ".cache", "Library/Caches")


def _folder(variable: str, usual: str, on_macos: str) -> Path:
    base = Path(os.environ.get(variable, ""))
    # XDG Base Directory Specification: a relative path is invalid, and to be ignored.
    if not base.is_absolute():
        base = Path.home() / (on_macos if sys.platform == "darwin" else usual)
    return base / _PROGRAM
