"""The folders that inotify watches, by number and by path, with one file that each holds.

What lies in a folder is found from the folder, never by a look at all: tools rename thousands of
folders one by one (package managers, git), and a project has tens of thousands.
"""

from asyncinotify import Watch


class Folders:
    """Paths are relative to the root, which is the folder ""."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[str, Watch]] = {}
        self._numbers: dict[str, int] = {}
        self._files: dict[str, str] = {}
        self._inside: dict[str, set[str]] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._watched

    def path(self, number: int) -> str | None:
        """The path of the folder with this number; None if it is watched no more."""
        found = self._watched.get(number)
        return found[0] if found is not None else None

    def add(self, folder: str, watch: Watch) -> None:
        """A folder is watched. If it was by another path, it is not there any more."""
        if watch.wd in self._watched:
            self._numbers.pop(self._watched[watch.wd][0], None)
        self._watched[watch.wd] = folder, watch
        self._numbers[folder] = watch.wd
        while folder:
            above = folder.rpartition("/")[0]
            inside = self._inside.setdefault(above, set())
            if folder in inside:
                break
            inside.add(folder)
            folder = above

    def holds(self, folder: str, file: str) -> None:
        """A file is in a watched folder."""
        self._files[folder] = file

    def end(self, number: int) -> None:
        """The kernel has ended a watch: the folder was removed, and was empty."""
        folder, _ = self._watched.pop(number)
        if self._numbers.get(folder) == number:
            del self._numbers[folder]
            self._files.pop(folder, None)
            if not self._inside.get(folder):
                self._forget(folder)

    def drop(self, top: str) -> tuple[list[tuple[str, Watch]], set[str]]:
        """Forget a folder and all below; return those watched, and the files known in them."""
        self._inside.get(top.rpartition("/")[0], set()).discard(top)
        watched, files, folders = [], set(), [top]
        while folders:
            folder = folders.pop()
            folders += self._inside.pop(folder, ())
            if (number := self._numbers.pop(folder, None)) is not None:
                watched.append(self._watched.pop(number))
            if (file := self._files.pop(folder, None)) is not None:
                files.add(file)
        return watched, files

    def _forget(self, folder: str) -> None:
        self._inside.pop(folder, None)
        self._inside.get(folder.rpartition("/")[0], set()).discard(folder)
