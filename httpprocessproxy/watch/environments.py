"""Python's virtual environments: any folder with a `pyvenv.cfg` in it (PEP 405).

To be used in one thread.
"""

import os
from pathlib import Path
from typing import Final

MARKER: Final = "pyvenv.cfg"


class Environments:
    """The virtual environments below a root; paths are relative to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # Only these are remembered: nothing is reported of the end of an environment.
        self._ordinary: set[str] = {""}

    def copy(self) -> "Environments":
        """The same for another thread."""
        return Environments(self._root)

    def forget(self) -> None:
        """Look again: a marker was written or removed."""
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
