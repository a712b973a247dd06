"""Python's virtual environments: folders with a `pyvenv.cfg` in them (PEP 405).

Not thread-safe.
"""

import os
from pathlib import Path
from typing import Final

MARKER: Final = "pyvenv.cfg"


class Environments:
    """The virtual environments below a root; paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Environments are not cached: no report announces that one was removed.
        self._ordinary: set[str] = {""}

    def copy(self) -> "Environments":
        """A copy for another thread."""
        return Environments(self._root)

    def forget(self) -> None:
        """Clear the cache: a marker was written or removed."""
        self._ordinary = {""}

    def around(self, folder: str) -> str:
        """The outermost environment that is `folder` or holds it; "" if there is none."""
        if folder in self._ordinary:
            return ""
        if outer := self.around(folder.rpartition("/")[0]):
            return outer
        if os.path.exists(f"{self._root}/{folder}/{MARKER}"):
            return folder
        self._ordinary.add(folder)
        return ""
