"""The folders that inotify watches, by watch descriptor and by path, each with one of its files.

An index leads from a folder to its subfolders, without a scan of all folders: tools (package
managers, git) rename thousands of folders one by one, and a project has tens of thousands.
"""


class Folders:
    """Paths are relative to the root, which is the folder ""."""

    def __init__(self) -> None:
        self._watched: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._files: dict[str, str] = {}
        self._inside: dict[str, set[str]] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._watched

    def path(self, number: int) -> str | None:
        """The path of the folder with this watch descriptor; None if its watch has ended."""
        return self._watched.get(number)

    def add(self, folder: str, number: int) -> None:
        """Add a watched folder. A folder known by another path has been renamed."""
        if number in self._watched:
            self._numbers.pop(self._watched[number], None)
        self._watched[number] = folder
        self._numbers[folder] = number
        while folder:
            above = folder.rpartition("/")[0]
            inside = self._inside.setdefault(above, set())
            if folder in inside:
                break
            inside.add(folder)
            folder = above

    def holds(self, folder: str, file: str) -> None:
        """Remember a file of a watched folder."""
        self._files[folder] = file

    def end(self, number: int) -> None:
        """Remove a watch that the kernel has ended: its folder was empty, and was removed."""
        folder = self._watched.pop(number)
        if self._numbers.get(folder) == number:
            del self._numbers[folder]
            self._files.pop(folder, None)
            if not self._inside.get(folder):
                self._forget(folder)

    def drop(self, top: str) -> tuple[dict[str, int], set[str]]:
        """Remove a folder and all below it.

        Returns the watch descriptors of the folders, by path, and their remembered files.
        """
        self._inside.get(top.rpartition("/")[0], set()).discard(top)
        watched: dict[str, int] = {}
        files, folders = set(), [top]
        while folders:
            folder = folders.pop()
            folders += self._inside.pop(folder, ())
            if (number := self._numbers.pop(folder, None)) is not None:
                watched[self._watched.pop(number)] = number
            if (file := self._files.pop(folder, None)) is not None:
                files.add(file)
        return watched, files

    def _forget(self, folder: str) -> None:
        self._inside.pop(folder, None)
        self._inside.get(folder.rpartition("/")[0], set()).discard(folder)
