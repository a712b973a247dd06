"""Which files the backend has open for writing, as /proc shows it. Elsewhere: none."""

import os
from collections.abc import Iterable
from pathlib import Path

from httpprocessproxy.process import tree


def open_for_writing(paths: Iterable[Path]) -> frozenset[Path]:
    """Those of `paths` that a process of the backend may write at present."""
    wanted = {identity: path for path in paths if (identity := _identity(path))}
    processes = [process for child in list(tree.living) for process in tree.members(child)]
    found = {one for process in processes for one in _written_by(process.pid)}
    return frozenset(path for identity, path in wanted.items() if identity in found)


def _written_by(pid: int) -> set[tuple[int, int]]:
    folder = f"/proc/{pid}"
    try:
        numbers = os.listdir(f"{folder}/fd")
    except OSError:  # it has ended, or is another user's
        return set()
    written = (number for number in numbers if _is_for_writing(f"{folder}/fdinfo/{number}"))
    identities = (_identity(Path(f"{folder}/fd/{number}")) for number in written)
    return {identity for identity in identities if identity}


def _is_for_writing(description: str) -> bool:
    try:
        with open(description) as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
    except OSError:
        return False
    return int(fields["flags"], 8) & os.O_ACCMODE != os.O_RDONLY


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
